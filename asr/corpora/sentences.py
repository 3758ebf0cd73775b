"""Random sentences: a word list and a grammar that put every English phone into many contexts.

Written for this project and licensed with it (Apache-2.0); no sentence or list of another corpus is in it. The
sentences are grammatical but mean little, so a language model cannot guess what the acoustic model missed.
"""

import re

import numpy as np

MIN_WORDS, MAX_WORDS = 4, 12

# The terminals: the words of each class, without heteronyms (read, wind, live), so that spelling tells pronunciation.
WORDS: dict[str, list[str]] = {
    name: words.split()
    for name, words in {
        "DET": "the the the a a this that each every my our your his her their another no one some",
        "DETS": "the the these those my our your his her their some many few several both all most other enough",
        "NUMBER": "two three four five six seven eight nine ten eleven twelve thirteen twenty thirty fifty a_hundred",
        "ADJ": """able ancient angry awful azure beige better big bitter black blue bold bottom brave bright brown busy
            calm casual cheap chilly choosy clean clever cloudy cold certain cozy crazy crooked crude cruel curly
            curious dark deaf deep dirty double dry dusty eager early easy empty enormous evil faint fair famous fancy
            fat final flat foggy foolish forgotten fresh friendly full funny furry fuzzy gentle giant global gloomy
            golden good grey greasy great green happy hard hasty healthy heavy helpful hollow honest hot hungry icy idle
            itchy joyful juicy kind large lazy lean leisurely little local lonely long loud lovely loyal lucky
            major mean mighty mild modern moist muddy narrow nasty neat new noisy normal oily old open orange
            other oval pale patient perfect pink plain pleasant polite poor pretty proud pure purple quick quiet
            rare raw ready real red rich rigid ripe rosy rotten rough round royal rude rusty sad safe salty sandy
            savage secret serious shabby shallow sharp shiny short shy silent silly silver simple slim slow smooth
            soft solid sore sour spare spicy square stale steep sticky stiff strange strict strong stubborn sudden
            sunny sure sweet swift tall tame tender thick thin thirsty thorough tidy tiny tired tough true
            ugly unusual upper urban useful usual vague vain vast velvet violet visual vivid warm weak wealthy
            weary weird wet white wide wild wise wooden woolly worthy written wrong yellow young youthful zealous""",
        "NOUN": """actor airport angel animal ankle answer apple apron arch army artist author avenue baby badge
            balcony banjo barber basket bath beach bean bear bedroom beetle bell bench berry bicycle bird
            blanket boat body book boot bottle boulder bowl boy bracelet branch bridge broom brother bucket
            bush butcher button cabin cake camera candle captain carpet cart castle cat cattle ceiling chair
            chapel cheek cherry child chin choir church cigar circle city clerk cloak clock cloud clown coach
            coat coin collar cookie copper corner cottage couch cousin cow cradle creature crown cushion daisy
            dancer daughter deck desk diamond dish doctor dog dollar donkey door dragon drawer dream dress drum
            duck eagle ear edge eight elbow elephant engine envelope eye face factory farmer father feather
            fellow fence fiddle finger fish flag flower fly fog forest fork fountain fox friend frog fruit
            garage garden garment gate giraffe girl glove goat goose governor grape guitar gypsy hammer hand
            harbor hat hawk hedge hill hobby hook horse hotel house hunter island jacket jail jar jewel job
            joke joint journey judge jug juice jungle kettle key king kitchen kitten knee knife ladder lady
            lagoon lake lamp lawn lawyer leaf league leather leg lemon letter library lion lock locker mango
            map market mayor meadow measure medal merchant message metal method mirror mission mitten money monkey
            moon mother mountain mouse mouth mule muscle museum mushroom nation neck needle neighbor nephew
            nest noise north nose number nurse oak oath ocean office onion opera orchard otter oven owl owner
            oyster package paddle page painter pair palace paper parent park party path peach peasant pen
            people pepper piano picture pigeon pillow pilot pirate pitcher plate player pocket poem poet point
            pond pony potato pound powder prince prism prison prize problem puddle pudding pupil puppy puzzle
            queen question rabbit raccoon radio rag razor reason rhythm ribbon rider ring river road robin
            rock roof room root rope rose route sailor salad sandwich saucer saw scarf school scissors season
            shadow shark sheep shelf shell sheriff ship shirt shoe shop shore shoulder shovel sister sky
            snake soap sofa soldier son song sparrow spider spoon square squirrel stair star station stone
            story stove street student sugar suit sweater sword table tail tailor teacher television temple
            tent theater thief thing thorn thread throne thumb ticket tiger toad toe token tongue tool tooth
            towel tower town toy tractor train traitor treasure tree trophy tub tulip tunnel turkey turtle
            uncle union vacuum valley van vase vegetable vehicle version village vine violin vision visitor
            voice voyage wagon waiter wall watch water weather wedding whale wheel whistle widow window wing
            winter wizard woman wood word worker world yard yacht youth zebra zipper zoo""",
        "NOUNS": """acorns actions ages apples arms badges balloons bandages barrels bees beliefs bells boys boxes
            branches brothers bubbles bugs bushes cakes camels chains changes cheeses cherries choices churches
            circles clothes clouds coins colors cookies corners couches cups decisions dishes doctors dogs dolls
            ducks earrings edges eggs engines eyes faces feathers fingers fishes flags flames foxes friends
            gardens gates ghosts girls glasses goats grapes guests halls hammers hands hawks heads horses hours
            houses hunters insects jewels jobs jokes judges jungles keys kings kites ladies lambs lanterns
            laws leaves legs lessons letters lights lions lips logs mangoes maps marbles matches measures
            mice months moths mountains mouths nails neighbors noises nuts oceans oranges owls oxen oysters pages
            paths peaches pearls pebbles pencils pies pigeons pillows pipes planes plates pleasures poems points
            pools potatoes prizes puzzles questions rabbits rags razors rings rivers roads rocks roofs roses
            sausages shadows sheets shells ships shoes shops songs spices stairs stars stones stories
            storms tables tails teachers thieves thoughts threads thumbs tigers toads tomatoes tongues tools
            tourists towels towns toys treasures trees trucks turtles twigs uncles valleys vases visions voices
            voyages wagons watches waves weeds wheels wings wishes wolves women worms wrinkles years""",
        "NAME": """Adam Alice Anna Arthur Audrey Beth Bruce Carla Charlotte Chelsea Clara Cynthia Daisy Dolores
            Edith Ellen Eugene Evelyn Floyd George Grace Gwen Harold Heather Ian Iris Isaac Ivy Jack
            Janet Joyce Judith Julia Keith Kevin Laura Leroy Louise Luke Lucy Martha Matthew Maya Nathan Nora
            Oliver Olga Oscar Paula Peggy Phoebe Quentin Rachel Ralph Roger Roy Ruth Samantha Sarah Shirley
            Sophie Theo Thelma Timothy Tracy Troy Ursula Victor Violet Vivian Walter Wendy Yolanda Yvonne Zachary
            Zelda Zoe""",
        "PRONOUN": "he she they we you it I everybody nobody somebody everyone nothing something",
        "DID": """admired adored annoyed asked attacked avoided baked bathed begged bit borrowed bothered bought
            broke brought brushed built buried burned carried carved caught changed chased choked chose covered
            crushed cut delivered described destroyed discovered drank dragged drew dropped earned enjoyed
            explored fed fetched filled finished fixed followed forgot fought found gathered gave grabbed
            greeted guarded guided hated heard helped hid hit hugged hurt ignored imagined imitated injured
            invited joined judged kept kicked killed kissed knew laughed_at lifted liked loved loathed looked_at
            made mailed measured mended missed moved needed noticed obeyed offered ordered owed owned packed
            paid painted patted photographed picked_up pitied planted poked pulled punched pushed put_away
            raised reached refused remembered rescued robbed rubbed ruined sang_to saved scared scratched
            served sewed shook showed sketched smelled sold solved squeezed stole stopped struck studied
            taught thanked threw tickled told took touched traded trapped treasured trusted understood
            visited voiced washed wanted watched weighed welcomed won wore worshiped wrapped yelled_at""",
        "DO": """adjust afford allow argue_about arrange avoid balance bargain_for believe borrow bother brighten bring
            build burn buy carry catch change chew choose clean climb collect cook cough_at count cover cut decide_on
            deliver deny destroy dig_up disturb divide draw drive drop eat employ encourage enjoy enter examine
            explain fasten feed fetch find fix fold follow forgive frighten gather get give guess hear help
            hide hold hurry hurt ignore improve join judge juggle keep know learn leave let_go_of lift load
            lose love make manage measure mend move name notice obey observe offer open order paint pay_for
            photograph pick plan polish pour predict press protect punish push raise reach remove
            rescue return ride ring rule save search see sell serve shake share shave show sing sketch smooth
            spoil spread squash squeeze steal stir stretch study support swallow teach tease tell_about thank
            threaten throw tie tighten touch treasure trust turn understand unlock value visit voice vote_for wash watch
            wear weave weigh wipe write yank""",
        "WENT": """agreed argued arrived bled boiled bowed breathed cheated coughed crawled cried danced died dined
            disappeared exploded faded failed fainted fell flew fished floated frowned gambled giggled glowed
            groaned growled happened hesitated hopped hurried jogged jumped knelt laughed leaned listened
            marched mumbled nodded paused played prayed quarreled rested returned rolled rowed ran rushed sat
            screamed shivered shrugged sighed slept slid smiled smoked sneezed snored spoke stayed stood stumbled
            swam swore talked trembled tumbled vanished voted waited walked wandered waved wept whispered
            whistled worked worried yawned yelled""",
        "ADV": """again alone always anxiously away badly barely bitterly boldly bravely briefly brightly calmly
            carefully casually cautiously cheaply cheerfully clearly cleverly coolly daily deeply eagerly early
            easily faithfully finally firmly fully gently gladly gracefully happily hardly heavily honestly
            hungrily joyfully kindly lately lazily loudly madly mostly nearly neatly noisily often once outside
            perfectly playfully politely poorly powerfully proudly quickly quietly rapidly rarely recently
            roughly rudely sadly safely seldom shyly silently slowly smoothly softly sometimes soon strangely
            strictly suddenly sweetly thoughtfully together truly twice upstairs usually utterly vaguely weekly
            wisely yearly""",
        "PREP": """above across after against along around at before behind below beneath beside between beyond by
            for from in inside into near off on opposite outside over past through toward under underneath upon with
            without""",
        "WHEN": """today tonight tomorrow yesterday in_January last_Monday on_Tuesday every_Wednesday on_Thursday
            this_Friday by_Saturday each_Sunday at_noon at_midnight after_breakfast before_lunch during_dinner
            one_morning this_afternoon that_evening all_night in_April last_June in_July every_August
            in_autumn last_winter next_spring this_summer last_week next_month years_ago just_now right_away
            in_one_hour since_childhood at_dawn""",
        "MODAL": "will can could should would must might may won't can't couldn't shouldn't wouldn't",
        "LINK": "while because although before after until since unless whenever so and but",
        "WHY": "why when where how",
        "AUX": "did didn't could couldn't will won't should would can can't",
        "COUNT": "how_many which whose what",
        "MASS": """air bread butter cheese chocolate cloth coal coffee cotton courage cream danger dirt dust earth
            fire flour freedom fudge furniture gasoline gold grass gravy ground health honey hope ice ink iron jam
            jelly joy junk knowledge lace laughter leisure luck lumber magic marmalade milk moisture mud music
            mustard nature oatmeal oil oxygen paint peace pleasure poison power rain rice rubber sand silk smoke
            snow soil soup steam straw sunshine tea thunder time toast truth vanilla vinegar wealth wheat wine
            wisdom wool yarn yogurt""",
    }.items()
}

# The grammar: each class in capitals becomes one of its right-hand sides or of its WORDS; everything else is literal.
RULES: dict[str, list[str]] = {
    "SENTENCE": [
        "SUBJECT DID OBJECT",
        "SUBJECT DID OBJECT WHEN",
        "SUBJECT ADV DID OBJECT",
        "SUBJECT DID OBJECT PLACE",
        "SUBJECT MODAL DO OBJECT",
        "SUBJECT MODAL ADV DO OBJECT",
        "SUBJECT MODAL DO OBJECT PLACE",
        "SUBJECT WENT PLACE",
        "SUBJECT WENT ADV PLACE",
        "THING was ADJ and ADJ",
        "THING was PLACE",
        "THINGS were ADJ WHEN",
        "THINGS were PLACE",
        "here was THING PLACE",
        "here were NUMBER ADJ NOUNS PLACE",
        "AUX SUBJECT DO OBJECT",
        "WHY AUX SUBJECT DO OBJECT",
        "COUNT NOUNS AUX SUBJECT DO",
        "please DO OBJECT and DO OBJECT",
        "don't DO OBJECT PLACE",
        "let us DO OBJECT WHEN",
        "WHEN , SUBJECT DID OBJECT",
        "PLACE , SUBJECT WENT ADV",
        "SUBJECT WENT , LINK SUBJECT DID OBJECT",
        "SUBJECT DID OBJECT , LINK SUBJECT WENT",
        "THING , THING , and THING WENT",
        "NAME , please DO OBJECT ADV",
        "OBJECT , NAME and NAME WENT ADV",
        "yes , SUBJECT MODAL DO OBJECT",
        "no , SUBJECT DID OBJECT WHEN",
    ],
    "SUBJECT": ["THING", "THING", "THINGS", "NAME", "NAME", "PRONOUN", "NAME and NAME"],
    "OBJECT": ["THING", "THING", "THINGS", "THINGS", "MASS", "ADJ MASS", "NAME", "THING and MASS"],
    "THING": ["DET NOUN", "DET ADJ NOUN", "DET ADJ NOUN", "DET ADJ ADJ NOUN"],
    "THINGS": ["DETS NOUNS", "DETS ADJ NOUNS", "NUMBER NOUNS", "NUMBER ADJ NOUNS", "ADJ NOUNS"],
    "PLACE": ["PREP THING", "PREP THINGS", "PREP MASS"],
}

_LITERALS = {word for rules in RULES.values() for rule in rules for word in rule.split() if word.islower()}
# `a` becomes `an` by sound: before a vowel letter not pronounced `yoo`, and before a silent h.
_AN = re.compile(r"\ba(?= (?!us[ue]|union)(?:[aeiou]|honest))")
# Function words that eSpeak merges into one, without a boundary between them.
_JOINED = re.compile(
    r"\b((at|for|from|in|of|on|that|this|was|with) (an?|it|once|one|the|which|will)|(no|some) one|many of|will to)\b"
)


def words(sentence: str) -> list[str]:
    """Return a sentence's words, lower case, without punctuation."""
    return re.findall(r"[a-z']+", sentence.lower())


def vocabulary() -> list[str]:
    """Return every word that a sentence may contain, lower case, sorted."""
    terminals = {word.lower() for group in WORDS.values() for phrase in group for word in phrase.split("_")}
    return sorted(terminals | _LITERALS | {"an"})


def compose(count: int, rng: np.random.Generator) -> list[str]:
    """Return `count` sentences of 4 to 12 words, no two with the same words.

    Words and rules are drawn like cards: none is drawn again before its whole class has been, so rare phones
    (`zh`, `oy`) are as frequent as in the word list, not as in the language.

    Args:
        count: Number of sentences; the grammar has billions.
        rng: Determines which.
    """
    decks: dict[str, list[str]] = {}
    composed: dict[tuple[str, ...], str] = {}
    while len(composed) < count:
        sentence = _punctuate(_expand("SENTENCE", decks, rng))
        spoken = tuple(words(sentence))
        if MIN_WORDS <= len(spoken) <= MAX_WORDS and not _JOINED.search(sentence.lower()):
            composed.setdefault(spoken, sentence)
    return list(composed.values())


def _expand(symbol: str, decks: dict[str, list[str]], rng: np.random.Generator) -> str:
    if symbol in WORDS:
        return _draw(symbol, WORDS[symbol], decks, rng).replace("_", " ")
    if symbol in RULES:
        return " ".join(_expand(part, decks, rng) for part in _draw(symbol, RULES[symbol], decks, rng).split())
    return symbol


def _draw(name: str, cards: list[str], decks: dict[str, list[str]], rng: np.random.Generator) -> str:
    if not decks.get(name):
        decks[name] = [cards[index] for index in rng.permutation(len(cards))]
    return decks[name].pop()


def _punctuate(text: str) -> str:
    text = _AN.sub("an", text).replace(" ,", ",")
    opening = text.split()[0]
    asks = opening in {*WORDS["AUX"], *WORDS["WHY"], "how", *WORDS["COUNT"]}
    return text[0].upper() + text[1:] + ("?" if asks else ".")
