"""`asr serve` delivers the page, with a content security policy that allows nothing but the page itself."""

import re

from asr.serve import page


def test_the_page_is_at_the_root_and_is_the_exported_file(client, system):
    answer = client.get("/")
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == page.made(system).html


def test_nobody_needs_a_token_to_see_it(served):
    with served(token="t" * 16) as client:
        assert client.get("/").status_code == 200


def test_the_policy_allows_the_page_its_own_scripts_and_no_connection(client):
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed["default-src"] == "'none'" and "connect-src" not in allowed
    assert re.fullmatch(r"data: 'sha256-[\w+/=]{44}'", allowed["script-src"])
    assert "unsafe" not in policy and "http" not in policy


def test_nothing_in_the_page_names_another_place(client):
    """No address that a browser could ask, and what stands in the text of one script does not end it."""
    text = client.get("/").text
    assert not re.findall(r"https?://|//\w+\.\w|@import|url\(", text.split('id="system"')[0])
    scripts = text.split("<script")[1:]
    assert len(scripts) == 4 and all(script.count("</script>") == 1 for script in scripts)
    assert "{{" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
