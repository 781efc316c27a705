"""The least that PowerPoint wants of a theme, a slide master and a layout (data)."""

from __future__ import annotations

from sample_formats.package import OFFICE

_A = "http://schemas.openxmlformats.org/drawingml/2006/main"
_P = "http://schemas.openxmlformats.org/presentationml/2006/main"
NAMESPACES = f'xmlns:a="{_A}" xmlns:p="{_P}" xmlns:r="{OFFICE}/relationships"'

_COLOURS = {
    "dk1": "1C2321",
    "lt1": "FFFFFF",
    "dk2": "14595C",
    "lt2": "F4F6F5",
    "accent1": "14595C",
    "accent2": "B8862D",
    "accent3": "5B7B7A",
    "accent4": "8C4A3C",
    "accent5": "3E5C76",
    "accent6": "748C5A",
    "hlink": "14595C",
    "folHlink": "5B7B7A",
}
_SCHEME = "".join(f'<a:{name}><a:srgbClr val="{value}"/></a:{name}>' for name, value in _COLOURS.items())
_FONT = '<a:latin typeface="Calibri"/><a:ea typeface=""/><a:cs typeface=""/>'
_SOLID = '<a:solidFill><a:schemeClr val="phClr"/></a:solidFill>'
_LINE = f'<a:ln w="9525">{_SOLID}</a:ln>'
_EFFECT = "<a:effectStyle><a:effectLst/></a:effectStyle>"

_FONTS = f"<a:majorFont>{_FONT}</a:majorFont><a:minorFont>{_FONT}</a:minorFont>"
# The format scheme must hold exactly three of each.
_FORMATS = (
    f"<a:fillStyleLst>{_SOLID * 3}</a:fillStyleLst><a:lnStyleLst>{_LINE * 3}</a:lnStyleLst>"
    f"<a:effectStyleLst>{_EFFECT * 3}</a:effectStyleLst><a:bgFillStyleLst>{_SOLID * 3}</a:bgFillStyleLst>"
)

THEME = (
    f'<a:theme xmlns:a="{_A}" name="Brindlemere"><a:themeElements>'
    f'<a:clrScheme name="Brindlemere">{_SCHEME}</a:clrScheme>'
    f'<a:fontScheme name="Brindlemere">{_FONTS}</a:fontScheme>'
    f'<a:fmtScheme name="Brindlemere">{_FORMATS}</a:fmtScheme>'
    "</a:themeElements></a:theme>"
)

_TREE = (
    '<p:cSld><p:spTree><p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
    '<p:sp><p:nvSpPr><p:cNvPr id="2" name="Title"/><p:cNvSpPr><a:spLocks noGrp="1"/></p:cNvSpPr>'
    '<p:nvPr><p:ph type="title"/></p:nvPr></p:nvSpPr><p:spPr><a:xfrm><a:off x="635000" y="508000"/>'
    '<a:ext cx="10922000" cy="762000"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></p:spPr>'
    '<p:txBody><a:bodyPr/><a:lstStyle/><a:p><a:endParaRPr lang="en-GB"/></a:p></p:txBody></p:sp></p:spTree></p:cSld>'
)
_MAP = " ".join(
    f'{name}="{target}"'
    for name, target in (
        ("bg1", "lt1"),
        ("tx1", "dk1"),
        ("bg2", "lt2"),
        ("tx2", "dk2"),
        *((f"accent{number}", f"accent{number}") for number in range(1, 7)),
        ("hlink", "hlink"),
        ("folHlink", "folHlink"),
    )
)

MASTER = (
    f"<p:sldMaster {NAMESPACES}>{_TREE}<p:clrMap {_MAP}/>"
    '<p:sldLayoutIdLst><p:sldLayoutId id="2147483649" r:id="rId1"/></p:sldLayoutIdLst></p:sldMaster>'
)
LAYOUT = f'<p:sldLayout {NAMESPACES} type="titleOnly">{_TREE}</p:sldLayout>'
