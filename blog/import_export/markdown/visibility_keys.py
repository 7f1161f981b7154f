"""The metadata keys of blog engines and themes, and what they say about the visibility of a post.

A key is understood, harmless or unknown. An unknown key may hide the post if its name or its value suggests so.
Names and words are compared in lower case, without spaces, `-` and `_`: `toc_sticky` is `tocsticky`.
"""

import datetime as dt
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from blog.import_export.markdown import dates
from blog.import_export.markdown.front_matter_values import FALSE_WORDS, TRUE_WORDS


class Verdict(Enum):
    """The effect of a setting: the post is shown, hidden, or perhaps hidden."""

    SHOWN = "shown"
    HIDDEN = "hidden"
    UNCLEAR = "unclear"


# Understood keys.
DATES = (
    "date", "pubdate", "pubdatetime", "publishdate", "publisheddate", "publishedat", "publishat", "datepublished",
    "publicationdate", "publishedon", "published", "posted", "postdate", "created", "createdat", "datecreated",
)  # fmt: skip
"""Keys of the date of a post, the most reliable first."""
PUBLICATION_DATES = frozenset(DATES) | {"embargo", "embargountil", "publishfrom", "publishon", "scheduled", "scheduledat"}
"""Keys of a time before which the post is hidden."""
_HIDDEN_IF_TRUE = frozenset(
    {
        "borrador", "brouillon", "deleted", "disabled", "draft", "eleventyexcludefromcollections", "entwurf", "exclude",
        "excluded", "headless", "hidden", "hide", "ignore", "isdraft", "ishidden", "isprivate", "isunlisted", "members",
        "membersonly", "paid", "private", "removed", "secret", "trash", "trashed", "unlisted", "unpublished", "wip",
    }
)  # fmt: skip
_HIDDEN_IF_FALSE = frozenset(
    {
        "active", "build", "enabled", "ispublic", "ispublished", "isvisible", "listed", "online", "public", "publish",
        "published", "ready", "render", "visible",
    }
)  # fmt: skip
_STATES = frozenset(
    {
        "access", "permission", "permissions", "poststatus", "privacy", "publishstatus", "stage", "state", "status", "tier",
        "visibility", "visibleto",
    }
)  # fmt: skip
_PUBLIC_STATES = frozenset({"published", "publish", "public", "live", "visible", "everyone", "free", "open"})
_LABELS = frozenset({"category", "categories", "collection", "collections", "kind", "layout", "tag", "tags", "template", "type"})
_HIDING_LABELS = frozenset({"draft", "drafts", "hidden", "private", "unlisted", "unpublished", "wip"})

# Harmless keys, whatever their values are.
_TEXTS = """
    abstract alt basename blurb canonical canonicalurl caption cuid description excerpt filename github guid heading headline
    id jabberpublished jetpackdontemailposttosubs jetpackmembershipscontainspaidcontent jetpackmembershipscontainspaywalledcontent
    jetpackpostwaseverpublished key keywords label lang language lead linktitle locale metadescription metatitle name
    ogdescription ogtitle pagetitle path permalinks project projects publication publications publicationshort
    publicationtypes publishedby publishedin publisher publishername quote redirectfrom seodescription seotitle series
    seriestitle shorttitle slogan slug socialtitle subheading subtitle summary tagline teaser title topic topics translator
    twitterdescription twittertitle url
"""
_TIMES = """
    dateend datemodified datestart dateupdated eventdate eventend eventstart lastedited lastmod lastmodified lastmodifiedat
    lastmodifieddate lastreviewed lastupdate lastupdated lastupdatedat moddate moddatetime modified modifiedat modifieddate
    modifydate postmodified update updated updatedat updateddate updateddatetime updatedon updatetime
"""
# Parts of a page. Themes switch them on and off with words around them: `showToc`, `hide_title`, `comments_disabled`.
_PARTS = """
    abcjs addsrctocodeblock ads adsense affiliate allday amp analytics anchor anchors animation aplayer aside attribution
    audio author authorbadges authorbio authorbox authorcard authorprofile authors authorsbadges avatar background
    backgroundimage backtotop badge banner bannerimage bio bloghighlight blur breadcrumb breadcrumbs byline
    cardstagfiltering cardview centered chart chartjs charts children citation code codeblocknamelinks codecopy codediff
    codefold codefolding codelinenumbers codemaxlines codetools collapsetoc color colour columns comment commentable
    comments contentcopyright copybutton copycode copyright copyrightauthor copyrightinfo cover coverimage cropped csp css
    dark darkmode date dateupdated description diagram diagrams disclaimer disqus disquscomments donate draftlabel dropcap
    echarts echo edit editable editlink editongithub editpage editpost editurl embedresources emoji eval evergreen excerpt
    execute exif fancybox featured featuredimage featuredpost feed feedback figureposition flowchart flowchartdiagrams
    fontawesome fonts footer footnote footnotebacklinks footnotes forcecodeblockltr fraction freeze fullcontent fullwidth
    gallery giscus giscuscomments gitalk gitinfo graphviz groupbyyear header headeranchors headerandfooter headertext
    headinganchors headings hero heroimage highlight highlighted highlighting highlightjs highlightshrink hljs hugotoc icon
    image images info inline invertpagination inverttitleorder iscjklanguage isso jquery js jsonld katex large lastmod
    lastmodified lastupdated latex layoutbackgroundblur layoutbackgroundheaderspace leaflet license lightbox lightgallery
    like likes linkcitations links linktomarkdown liquid logo map mapbox markup math mathjax mathjaxautonumber
    mathjaxenableautonumber mathjaxenablesingledollar mathml menu menus mermaid meta mhchem music nav navbar navigation
    navshort next noticeoutdate numbering numbersections nunjucks ogimage opengraph orderbyweight original outdated
    outdatedinfowarning pagebundles pagefind pager pageview pageviews pagination photos photoswipe pin pinned plantuml
    player plotly podcast postmeta postmetainfooter postnav postnavlinks prettytable prettyurl prev previous
    previousnextarticlelinks prevnext prism profile progress pseudocode quicknavigationbuttons reactions readingtime
    readmore readtime recommended related relatedcontent relatedlinks relatedposts relatedpublications renderwithliquid
    repost reprint resources reward rss rssbutton rssbuttoninsectiontermlist rssfulltext ruby schema scripts search
    searchable searchindex selected selfcontained sequencediagrams share sharebuttons sharelinks sharing sharingbuttons
    sharinglinks sidebar simplelist slides smartypants social socials socialshare sort sponsor sponsored starred sticky
    structureddata style styles subscribe subtitle summary syntaxhighlighter syntaxhighlighting table tableofcontents tabs
    tags taxonomies thumbnail tikz tikzjax timetoread title titleblockbanner toc tocauto toclevels tocnumber tocroot
    tocsidebar tocsticky tocstylesimple toolbar top topimg translated translation translations twemoji twitter typograms
    utterances video videos views viewsource waline wide widgets wordcount words zenmode zoom
"""
_BEFORE = "(?:is|has|no|omit|use|with|show|hide|hidden|display|enable|disable|allow|auto|keep|exclude|include)?(?:from|in|on)?"
_AFTER = "(?:enabled?|disabled?|hide|hidden|show|shown|visible|open|opened|closed|collapsed?|exclude|on|off)?"
_PART = "|".join(_PARTS.split())
_HARMLESS = re.compile("|".join([*_TEXTS.split(), *_TIMES.split(), f"{_BEFORE}(?:{_PART}){_AFTER}"]))
_HARMLESS_IF_TRUE = frozenset({"article", "blog", "output", "post", "release"})
_HARMLESS_IF_FALSE = frozenset({"homepage", "ispage"})
# Tables and lists in which keys and labels are read, although their names are harmless.
_READ = _LABELS | {"meta", "taxonomies"}

# What makes an unknown key suspicious.
_HIDING_NAME = re.compile(
    "archived|confidential|deleted|delist|draft|embargo|encrypt|expir|hidden|hide|locked|loginrequired|membersonly|noindex|passw"
    "|paywall|privat|protect|removed|require.*(?:login|auth|signin)|restrict|secret|subscribersonly|trash|unlist|unpublish"
)
_SHOWING_NAME = re.compile("availab|golive|index(?:able|ed|ing)$|pubdate|publicat|publish|schedul|sitemap|visib")
_HIDING_WORD = re.compile(
    r"archived|authenticated|bozza|borrador|brouillon|confidential|deleted|disabled|donotpublish|drafts?\d*|embargo(?:ed)?|entwurf"
    "|expired|hidden|idea|inactive|incomplete|inprogress|inreview|internal|loggedin|members?|never|nobody|noindex.*|notpublic"
    "|notready|notyet|onlyme|paid|pending(?:review)?|premium|private|protected|rascunho|removed|restricted|scheduled|secret|staff"
    "|(?:paid)?subscribers?|todo|trash(?:ed)?|unfinished|unlisted|unpublished|wip|черновик|下書き|草稿"
    "|(?:admin|email|feed|friends|internal|me|members?|newsletter|patrons?|private|rss|staff|subscribers?|team)only"
)
_HIDING_FIRST_WORD = re.compile(
    "confidential|drafts?|internal|members?|private|restricted|staff|subscribers?|unlisted|unpublished"
)
_MAX_PHRASE_WORDS = 4
"""The length of a value that is a phrase such as "internal use only". A longer one is prose."""
_BOOLEANS = (TRUE_WORDS | FALSE_WORDS) - {"0", "1"}  # numbers are mostly positions
_MAX_NAME_LENGTH = 100


def simplify(name: str) -> str:
    """Return a key or a word in the form in which it is compared."""
    return re.sub(r"[\s_-]", "", name[:_MAX_NAME_LENGTH].lower())


def as_date(value: Any) -> dt.datetime | None:
    """Return the date that a value contains, or None."""
    try:
        return dates.parse(value) if value is not None else None
    except ValueError:
        return None


def is_harmless(name: str) -> bool:
    """Return whether a table or list of this name has no effect on the visibility."""
    return name not in _READ and _HARMLESS.fullmatch(name) is not None


def judge(name: str, value: Any, *, is_top_level: bool) -> Verdict:
    """Return what a single value says. `name` is simplified."""
    word = simplify(str(value))
    if value is None or not word:
        return Verdict.HIDDEN if name == "saveas" else Verdict.SHOWN  # Pelican writes no page without a file name
    if name in _HIDDEN_IF_TRUE:
        return _choose(shown=word in FALSE_WORDS, hidden=word in TRUE_WORDS)
    if is_top_level and name in PUBLICATION_DATES and as_date(value) is not None:
        return Verdict.SHOWN
    if name in _HIDDEN_IF_FALSE:
        return _choose(shown=word in TRUE_WORDS, hidden=word in FALSE_WORDS)
    if name in _STATES:
        return _choose(shown=word in _PUBLIC_STATES, hidden=_HIDING_WORD.fullmatch(word) is not None)
    if name in _LABELS:
        return _choose(shown=word not in _HIDING_LABELS)
    if name == "permalink":
        return _choose(shown=word not in FALSE_WORDS, hidden=True)
    if _HARMLESS.fullmatch(name):
        return Verdict.SHOWN
    if _HIDING_NAME.search(name):
        return _choose(shown=word in FALSE_WORDS)
    if _SHOWING_NAME.search(name):
        return _choose(shown=word in TRUE_WORDS)
    harmless_words = TRUE_WORDS if name in _HARMLESS_IF_TRUE else FALSE_WORDS if name in _HARMLESS_IF_FALSE else ()
    is_switch = word in _BOOLEANS and word not in harmless_words
    is_hiding = _HIDING_WORD.fullmatch(word) is not None or _is_hiding_phrase(str(value))
    return _choose(shown=not (is_switch or is_hiding or as_date(value)))


def _is_hiding_phrase(value: str) -> bool:
    words = re.findall(r"[^\W_]+", value[:_MAX_NAME_LENGTH].lower())
    return 0 < len(words) <= _MAX_PHRASE_WORDS and _HIDING_FIRST_WORD.fullmatch(words[0]) is not None


def judge_table(name: str, table: Mapping[Any, Any]) -> Verdict | None:
    """Return what a table says by its name; None if its keys decide."""
    if name == "build":  # Hugo
        pages = [simplify(str(value)) for key, value in table.items() if simplify(str(key)) in ("render", "list")]
        return _choose(shown=all(page in ("always", "true") for page in pages), hidden=True)
    return Verdict.UNCLEAR if table and (name in _HIDDEN_IF_TRUE or _HIDING_NAME.search(name)) else None


def _choose(*, shown: bool, hidden: bool = False) -> Verdict:
    if shown:
        return Verdict.SHOWN
    return Verdict.HIDDEN if hidden else Verdict.UNCLEAR
