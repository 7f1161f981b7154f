"""Sanitising of SVG images: a table of hostile files, and drawings that stay as they are."""

import re

import pytest

from blog.domain.media import svg
from blog.errors import InvalidInput

OPEN = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 40 20">'
DANGEROUS = re.compile(
    rb"script|\bon[a-z]+=|javascript|evil|foreignObject|<a\b|animate|<set|iframe|@import|data:text|data:image/svg|\?xml-stylesheet",
    re.IGNORECASE,
)


def clean(content: str) -> bytes:
    return svg.sanitise(f"{OPEN}{content}</svg>".encode())[0]


HOSTILE = {
    "script": "<script>alert(1)</script>",
    "script with a prefix": '<s:script xmlns:s="http://www.w3.org/2000/svg">alert(1)</s:script>',
    "script in HTML": '<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>',
    "script reference": '<script xlink:href="https://evil.example/a.js"/>',
    "event handler": '<rect width="1" height="1" onclick="alert(1)"/>',
    "event handler in capitals": '<rect ONLOAD="alert(1)"/>',
    "event handler of an animation": '<g><animate onbegin="alert(1)" attributeName="x"/></g>',
    "handler element": '<handler xmlns="http://www.w3.org/2001/xml-events" type="text/ecmascript">alert(1)</handler>',
    "foreign object": '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml"><iframe src="//evil.example"/></p></foreignObject>',
    "embedded HTML": '<iframe xmlns="http://www.w3.org/1999/xhtml" src="https://evil.example"/>',
    "link": '<a href="javascript:alert(1)"><text>x</text></a>',
    "old link": '<a xlink:href="https://evil.example"><text>x</text></a>',
    "animated link": '<g><set attributeName="href" to="javascript:alert(1)"/></g>',
    "animated values": '<animate attributeName="href" values="javascript:alert(1)"/>',
    "external use": '<use href="https://evil.example/a.svg#b"/>',
    "external use, relative": '<use xlink:href="/evil.svg#b"/>',
    "use of a data URL": '<use href="data:image/svg+xml;base64,PHN2Zz4=#x"/>',
    "external image": '<image href="https://evil.example/track.png"/>',
    "image with a script": '<image href="data:image/svg+xml;utf8,&lt;svg onload=alert(1)&gt;"/>',
    "image of HTML": '<image xlink:href="data:text/html,evil"/>',
    "external image of a filter": '<filter id="f"><feImage href="https://evil.example/track.png"/></filter>',
    "style import": "<style>@import url(https://evil.example/a.css);</style>",
    "style with an external image": "<style>rect { fill: url(https://evil.example/#a) }</style>",
    "style with an escape": r"<style>@\69mport 'https://evil.example'</style>",
    "style with a comment": "<style>@im/**/port 'https://evil.example'</style>",
    "style with an image set": "<style>rect { background: image-set('https://evil.example' 1x) }</style>",
    "style attribute": '<rect style="fill: url(//evil.example/a.svg#b)"/>',
    "style attribute, quoted": "<rect style=\"fill: url( 'https://evil.example' )\"/>",
    "external fill": '<rect fill="url(https://evil.example/a.svg#b)"/>',
    "comment": "<!-- evil --><rect/>",
    "processing instruction": '<?xml-stylesheet href="https://evil.example/a.xsl"?><rect/>',
    "metadata": '<metadata><evil xmlns="urn:x"/></metadata>',
    "base URL": '<g xml:base="https://evil.example/"/>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_parts_are_removed(name: str) -> None:
    result = clean(f'<circle r="1"/>{HOSTILE[name]}<circle r="2"/>')
    assert not DANGEROUS.search(result)
    assert result.count(b"<circle") == 2, "the drawing around it remains"
    assert svg.sanitise(result)[0] == result


def test_handlers_on_the_root_are_removed() -> None:
    result, _, _ = svg.sanitise(b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)" onfocusin="alert(2)"><g/></svg>')
    assert result == b'<svg xmlns="http://www.w3.org/2000/svg"><g /></svg>'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'<!DOCTYPE svg [<!ENTITY a "x">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>', "entities"),
        (b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg"/>', "entities"),
        (f"{OPEN}{'<g>' * 200}{'</g>' * 200}</svg>".encode(), "levels"),
        (f"{OPEN}{'<g/>' * 20_001}</svg>".encode(), "elements"),
        (f"{OPEN}<g>".encode(), "well-formed"),
        (f"{OPEN}&nbsp;</svg>".encode(), "well-formed"),
        (b"<svg><g/></svg>", "not an SVG image"),
        (b'<html xmlns="http://www.w3.org/1999/xhtml"><svg/></html>', "not an SVG image"),
        (OPEN.encode() + b" " * 2_000_000 + b"</svg>", "bytes"),
        ('<?xml version="1.0" encoding="x-unknown"?>' + OPEN + "</svg>", "well-formed"),
    ],
)
def test_unusable_files_are_refused(data: bytes | str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        svg.sanitise(data if isinstance(data, bytes) else data.encode())
    assert message in raised.value.errors[0].msg


def test_drawings_stay_as_they_are() -> None:
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 40 20"><defs>'
        '<linearGradient id="g"><stop stop-color="#f00" /></linearGradient></defs><style>rect { fill: url(#g) }</style>'
        '<title>A &amp; B</title><rect width="4" height="3" style="stroke: red" fill="url(#g)" transform="rotate(45)" />'
        '<use xlink:href="#g" href="#g" /><text xml:space="preserve">a <tspan>b</tspan> c</text>'
        '<image href="data:image/png;base64,iVBORw0KGgo=" /></svg>'
    )
    assert svg.sanitise(drawing.encode())[0].decode() == drawing


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="30" height="20"', (30, 20)),
        ('width="30.6px" height="20px" viewBox="0 0 1 1"', (31, 20)),
        ('viewBox="0 0 400 300"', (400, 300)),
        ('viewBox="0,0,400.4,300"', (400, 300)),
        ('width="100%" height="100%" viewBox="-5 -5 40 20"', (40, 20)),
        ('width="10em" height="2em"', (300, 150)),
        ("", (300, 150)),
        ('viewBox="0 0 0 0"', (1, 1)),
        ('width="1e99" height="1"', (300, 150)),
    ],
)
def test_size_is_that_of_the_drawing(attributes: str, size: tuple[int, int]) -> None:
    assert svg.sanitise(f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}/>'.encode())[1:] == size


def test_old_doctype_and_other_encodings_are_accepted() -> None:
    doctype = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    text = f'<?xml version="1.0" encoding="UTF-16"?>{doctype}{OPEN}<title>é</title></svg>'
    assert svg.sanitise(text.encode("utf-16"))[0].endswith("<title>é</title></svg>".encode())
