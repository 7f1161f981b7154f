"""Sanitising of SVG images with an allow-list: only drawing remains.

Scripts, event handlers, embedded HTML, links, external references and all animations are removed. What a list of elements and
attributes cannot decide depends on the value: `url(…)` and `href` refer only to the file itself, `data:` holds only bitmaps.
"""

import re
import xml.etree.ElementTree as ET
from typing import Final
from xml.parsers import expat

from blog.domain.media.image_decoding import image_error


def _split_names(words: str) -> frozenset[str]:
    return frozenset(words.split())


MAX_BYTES: Final = 2_000_000
MAX_ELEMENTS: Final = 20_000
MAX_DEPTH: Final = 100
_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"
_XML: Final = "http://www.w3.org/XML/1998/namespace"
_ELEMENTS: Final = _split_names(
    "svg g defs symbol use title desc path rect circle ellipse line polyline polygon text tspan textPath image marker pattern"
    " clipPath mask linearGradient radialGradient stop filter feBlend feColorMatrix feComponentTransfer feComposite"
    " feConvolveMatrix feDiffuseLighting feDisplacementMap feDistantLight feDropShadow feFlood feFuncA feFuncB feFuncG"
    " feFuncR feGaussianBlur feImage feMerge feMergeNode feMorphology feOffset fePointLight feSpecularLighting feSpotLight"
    " feTile feTurbulence style switch view"
)
_ATTRIBUTE: Final = re.compile(r"(?!on)[A-Za-z][A-Za-z0-9-]*")
_REFERENCES: Final = frozenset({"href", f"{{{_XLINK}}}href"})
_FOREIGN_ATTRIBUTES: Final = frozenset({f"{{{_XLINK}}}href", f"{{{_XML}}}space", f"{{{_XML}}}lang"})
_BITMAP: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
# An escape in CSS or a comment within a name could hide a URL.
_UNSAFE_STYLE: Final = re.compile(
    r"\\|/\*|@import|@font-face|expression|javascript:|url\(\s*(?![\"']?#)|image(?:-set)?\(|src\(", re.I
)
_LENGTH: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:px)?\s*")


def is_svg(head: bytes) -> bool:
    """Return whether a file that begins with `head` is XML with an SVG element near its beginning."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith(b"<") and re.search(rb"<(?:[A-Za-z_][\w.-]*:)?svg[\s>/]", text) is not None


def sanitise(data: bytes) -> tuple[bytes, int, int]:
    """Return a safe SVG file, and its width and height in pixels. Blocking. Raises InvalidInput."""
    if len(data) > MAX_BYTES:
        raise image_error(f"An SVG image may have at most {MAX_BYTES} bytes. This one has {len(data)}.")
    try:
        _check_structure(data)
        root = ET.fromstring(data)  # noqa: S314 (without a DTD, as checked above)
    except (expat.ExpatError, ET.ParseError, LookupError, ValueError) as error:
        raise image_error("This SVG image is not well-formed XML. Save it again with a drawing program.") from error
    if root.tag != f"{{{_SVG}}}svg":
        raise image_error("This XML file is not an SVG image")
    _clean(root)
    width, height = _size(root)
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, "utf-8", xml_declaration=False), width, height


def _check_structure(data: bytes) -> None:
    """Raise InvalidInput for a file with entities, or of too many or too deeply nested elements, and ExpatError for bad XML."""
    depth = count = 0

    def start(_name: str, _attributes: object) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise image_error(f"An SVG image may have at most {MAX_ELEMENTS} elements, {MAX_DEPTH} levels deep")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(_name: str, _system: object, _public: object, has_internal_subset: int) -> None:
        if has_internal_subset:  # it declares entities, which can expand to gigabytes
            raise image_error("This SVG image declares entities. Save it again as plain SVG.")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, doctype
    parser.Parse(data, True)


def _clean(element: ET.Element) -> None:
    """Remove what the allow-list does not have, from an allowed element and everything in it."""
    for name, value in list(element.attrib.items()):
        if not _is_safe_attribute(element.tag, name, value):
            del element.attrib[name]
    for child in list(element):
        if not _is_safe_element(child):
            _remove(element, child)
        else:
            _clean(child)


def _is_safe_element(child: ET.Element) -> bool:
    name = child.tag.removeprefix(f"{{{_SVG}}}")
    if name not in _ELEMENTS:  # also comments, elements of other namespaces, and nested documents
        return False
    return name != "style" or (len(child) == 0 and not _UNSAFE_STYLE.search(child.text or ""))


def _remove(parent: ET.Element, child: ET.Element) -> None:
    """Remove an element and its content, but not the text after it."""
    place = list(parent).index(child)
    if child.tail and place:
        parent[place - 1].tail = (parent[place - 1].tail or "") + child.tail
    elif child.tail:
        parent.text = (parent.text or "") + child.tail
    parent.remove(child)


def _is_safe_attribute(tag: str, name: str, value: str) -> bool:
    if name in _REFERENCES:
        is_image = tag in (f"{{{_SVG}}}image", f"{{{_SVG}}}feImage")
        return value.startswith("#") or (is_image and _BITMAP.fullmatch(value) is not None)
    if name in _FOREIGN_ATTRIBUTES:
        return True
    return _ATTRIBUTE.fullmatch(name) is not None and not name.lower().startswith("on") and not _UNSAFE_STYLE.search(value)


def _size(root: ET.Element) -> tuple[int, int]:
    """Return the size in pixels: of `width` and `height`, else of the view box, else the default of browsers."""
    sides = [_LENGTH.fullmatch(root.get(name, "")) for name in ("width", "height")]
    numbers = [float(side[1]) for side in sides if side]
    if len(numbers) < 2:
        box = re.split(r"[\s,]+", root.get("viewBox", "").strip())
        numbers = [float(part) for part in box[2:4]] if len(box) == 4 and all(_LENGTH.fullmatch(part) for part in box[2:]) else []
    width, height = numbers or (300.0, 150.0)
    return min(max(round(width), 1), 100_000), min(max(round(height), 1), 100_000)
