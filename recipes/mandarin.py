"""Writes mandarin.txt, the sentences of mandarin.toml, from a small grammar of our own.

Homophones that nothing tells apart are left out: it has 他 but not 她.

    python recipes/mandarin.py > recipes/mandarin.txt
"""

import random

WHO = "我 你 他 我们 你们 老师 学生 妈妈 爸爸 哥哥 姐姐 朋友 医生 司机 孩子 邻居".split()
WHEN = "今天 明天 昨天 早上 晚上 下午 现在 周末 春天 冬天".split()
WHERE = "在学校 在家 在公园 在北京 在上海 在商店 在图书馆 在火车上 在海边 在花园里".split()
WISH = "想 要 喜欢 可以 应该 不能 不想 开始 正在 继续".split()
DOES = """喝茶 喝水 喝咖啡 吃苹果 吃面条 吃鱼 看书 看电影 看报纸 学中文 学画画 买水果 买鞋子 写信 写字 听音乐 听广播
    打电话 打篮球 开车 做饭 做作业 唱歌 跳舞 跑步 游泳 睡觉 洗衣服 骑自行车 拍照片 修电脑 等公共汽车""".split()
COUNT = "两 三 四 五 六 七 八 九 十".split()
THING = """本书 本词典 杯牛奶 杯果汁 个苹果 个面包 个问题 张桌子 张地图 把椅子 把雨伞 只猫 只鸟 条狗 条裙子 辆车 件衬衫
    朵花 棵树 座山 封信 瓶酒""".split()
HOW = "很大 很小 很贵 很便宜 很漂亮 很新 很旧 很重 非常好 太远了 不错".split()
TOPIC = "天气 房子 城市 饭店 机场 路 礼物 颜色 声音 故事 味道 考试".split()


def sentence(rng: random.Random) -> str:
    """Return a random sentence."""
    who, when, where, wish, does, thing, how, topic = map(rng.choice, (WHO, WHEN, WHERE, WISH, DOES, THING, HOW, TOPIC))
    count = rng.choice(COUNT)
    return rng.choice(
        (
            f"{who}{when}{wish}{does}",
            f"{when}{who}{where}{does}",
            f"{who}{where}{wish}{does}",
            f"{who}有{count}{thing}",
            f"{who}{when}买了{count}{thing}",
            f"{who}和{rng.choice(WHO)}一起{does}",
            f"这里的{topic}{how}",
            f"{who}的{topic}{how}",
            f"{who}{wish}{does}吗",
            f"请给{who}{count}{thing}",
        )
    )


def main() -> None:
    """Print 1500 different sentences."""
    rng = random.Random(1)
    found: dict[str, None] = {}
    while len(found) < 1500:
        found[sentence(rng)] = None
    print("\n".join(found))


if __name__ == "__main__":
    main()
