"""What a secret in a text looks like, and the text without it.

Every pattern takes time linear in the text: it begins only where a word begins, and what it has read it does not give
back. Sources: the documentation of the services whose tokens they are; RFC 7519 (JSON Web Token); RFC 7468 (PEM);
RFC 7617 and RFC 6750 (Basic and Bearer); ISO/IEC 7812 (card numbers and their check digit); OpenTelemetry semantic
conventions, ``url.full``.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .names import Names

# A name, and what stands between it and its value; `flag`: an option of a command line.
_NAMED = re.compile(
    r"""(?<![A-Za-z0-9_.\-])(?P<flag>--)?(?P<key>[A-Za-z_][A-Za-z0-9_.\-]*+)
    (?: \]? (?P<quote>\\{0,8}["'])? \]? [ \t]*+ (?P<mark>=>|[=:]) [ \t]*+ | (?(flag)[ \t]++(?!-)|(?!)) )""",
    re.VERBOSE,
)

# Values. The first group opens a quoted one, the second is what it holds.
# (Without a possessive repeat: before Python 3.11.5 one took in what a look ahead inside of it had seen, gh-106052.)
_ESCAPED = re.compile(r"""(\\{1,8}["'])((?:[^\n\\"']++|\\\\(?:\\["']|.)|(?!\1)[^\n])*)""")
_DOUBLE = re.compile(r'(")((?:[^"\\]|\\.)*+)', re.DOTALL)
_SINGLE = re.compile(r"(')((?:[^'\\]|\\.)*+)", re.DOTALL)
_BARE = r"""
    MASK
    | %\(\w{0,64}\)s | \$?\{\{?[\w. ]{0,64}\}{1,2}
    | (?:AWS4-HMAC-SHA256|Digest)[ \t]++ [^\r\n"']++
    | (?i:bearer|basic|negotiate|token|apikey)[ \t]++ [^\s,;"'&<>]++
    | [^\s,;&"'<>)\]}]++
"""
# What ends a list or object: brackets outside of strings.
_BRACKETS = re.compile(
    r"""\\++"(?:[^"\\]|\\++[^"\\])*+\\++" | "(?:[^"\\]|\\.)*+"? | '(?:[^'\\]|\\.)*+' | [\[\]{}]""",
    re.VERBOSE | re.DOTALL,
)
_COOKIE = re.compile(r"""(?i)(?<![A-Za-z0-9_.])((?:set-)?cookie2?[ \t]*+:[ \t]*+)([^\s"'][^\r\n"']*+)""")

# What stands where a value is to come, and what says nothing: parameters of SQL, templates, "none".
_PLACEHOLDER = re.compile(
    r"\?|%s|%\(\w{0,64}\)s|\$\d{1,4}|:\w{1,64}|\$?\{\{?[\w. ]{0,64}\}{1,2}|\*+|<[^<>]{0,64}>|\.{3}|"
    r"(?i:none|null|nil|true|false|undefined)"
)

_USER = re.compile(r"(://)([^\s/?#'\"<>]{1,512})@")
_CARD = re.compile(
    r"[2-6](?<![\w.].)(?:\d{3}(?P<a>[ -])\d{4}(?P=a)\d{4}(?P=a)\d{4}|\d{3}(?P<b>[ -])\d{6}(?P=b)\d{4,5}|\d{13,18})"
    r"(?!\w|\.\d)",
    re.ASCII,
)
_EMAIL = re.compile(r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]++@((?:[A-Za-z0-9\-]{1,63}+\.){1,8}[A-Za-z]{2,63})")

_ANY = r"[A-Za-z0-9_\-]"
# Credentials and not prose: "Basic authentication" has neither a digit nor a capital behind a small letter.
_CREDENTIALS = r"(?=\S*?(?:[0-9=]|[a-z][A-Z])|\S{24})[A-Za-z0-9._~+/=\-]{8,}+"

# What a text has to hold, and the pattern; the first group of a pattern stays.
_TOKENS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("-----BEGIN",),
        # One that is cut off ends where what holds it does.
        r"""-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:(?!-----END)[^"'<>{}\[\]\\]|\\++(?!["']))*+"""
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
    ),
    (("eyJ",), rf"eyJ(?<!{_ANY}eyJ){_ANY}{{6,}}+\.{_ANY}{{6,}}+(?:\.{_ANY}*+){{0,3}}"),
    (("AKIA", "ASIA"), r"A(?<![A-Za-z0-9].)[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    (("gh",), r"gh(?<![A-Za-z0-9]gh)[pousr]_[A-Za-z0-9]{30,255}+"),
    (("github_pat_",), r"github_pat_[A-Za-z0-9_]{22,255}+"),
    (("glpat-",), rf"glpat-{_ANY}{{20,}}+"),
    (("xox",), r"xox(?<![A-Za-z0-9]xox)[a-z]-[A-Za-z0-9\-]{10,}+"),
    (("_live_", "_test_"), r"[sr]k_(?<![A-Za-z0-9].k_)(?:live|test)_[A-Za-z0-9]{16,}+"),
    (("whsec_",), r"whsec_[A-Za-z0-9+/=]{16,}+"),
    (("AIza",), rf"AIza(?<!{_ANY}AIza){_ANY}{{35}}"),
    (("ya29.",), rf"ya29\.{_ANY}{{20,}}+"),
    (("sk-",), rf"sk-(?<!{_ANY}sk-)(?=[A-Za-z_\-]*+[0-9]){_ANY}{{20,}}+"),
    (("SG.",), rf"SG\.(?<!{_ANY}SG\.){_ANY}{{16,}}+\.{_ANY}{{16,}}+"),
    (("npm_",), r"npm_[A-Za-z0-9]{36}"),
    (("hf_",), r"hf_(?<![A-Za-z0-9]hf_)[A-Za-z0-9]{30,}+"),
    (("pypi-",), rf"pypi-{_ANY}{{50,}}+"),
    (("shpat_",), r"shpat_[a-fA-F0-9]{32}"),
    (("/services/",), r"(hooks\.slack\.com/services/)(?!MASK)[A-Za-z0-9/_\-]++"),
    (("/webhooks/",), r"(discord(?:app)?\.com/api/webhooks/)(?!MASK)[A-Za-z0-9/_\-]++"),
    (("earer", "EARER", "asic", "ASIC"), rf"((?i:\bbearer|\bbasic)[ \t]++)(?!MASK){_CREDENTIALS}"),
)


class Rules:
    """The rules in force.

    Args:
        mask: What stands for a secret.
        names: Names whose values are secret, None where no names are.
        tokens: Whether tokens, keys and passwords in URLs are masked by their form.
        cards: Whether numbers of cards are.
        emails: Whether e-mail addresses are, but for their domain.
        patterns: Regular expressions of the program's. Of one with a group, what its first group matches is masked.

    Example:
        >>> Rules("REDACTED", Names(), True, True, False).text("GET /pay?token=abc&page=2")
        'GET /pay?token=REDACTED&page=2'
    """

    def __init__(
        self, mask: str, names: Names | None, tokens: bool, cards: bool, emails: bool, patterns: Sequence[str] = ()
    ) -> None:
        self.mask = mask
        self._names = names
        self._urls = tokens
        self._cards = cards
        self._emails = emails
        escaped = re.escape(mask)
        self._tokens = [(words, re.compile(p.replace("MASK", escaped), re.ASCII)) for words, p in _TOKENS if tokens]
        self._bare = re.compile(_BARE.replace("MASK", escaped), re.VERBOSE)
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def text(self, text: str, code: bool = False) -> str:
        """Return a text without secrets.

        Args:
            text: Any text.
            code: It is a stack with lines of source code: what has a secret name there is mostly an expression, so only
                literals are masked.
        """
        if self._urls:
            text = self._without_tokens(text)
        if self._names is not None:
            text = self._without_named(text, self._names, code)
        if self._cards:
            text = _CARD.sub(self._card, text)
        if self._emails and "@" in text:
            text = _EMAIL.sub(self._email, text)
        for pattern in self._patterns:
            text = pattern.sub(self._custom, text)
        return text

    def _without_tokens(self, text: str) -> str:
        if "://" in text and "@" in text:
            text = _USER.sub(self._user, text)
        for words, pattern in self._tokens:
            for word in words:
                if word in text:
                    text = pattern.sub(self._token, text)
                    break
        return text

    def _user(self, match: re.Match[str]) -> str:
        return f"://{self.mask}:{self.mask}@" if ":" in match[2] else f"://{self.mask}@"

    def _token(self, match: re.Match[str]) -> str:
        return match[1] + self.mask if match.re.groups else self.mask

    def _email(self, match: re.Match[str]) -> str:
        return f"{self.mask}@{match[1]}"

    def _card(self, match: re.Match[str]) -> str:
        if not is_card(match[0].replace(" ", "").replace("-", "")):
            return match[0]
        text, end = match.string, match.end()
        if text[:1] in ("{", "[") and _before(text, match.start()) in ":,[" and _behind(text, end) in ",}]":
            return f'"{self.mask}"'  # a number in a text of JSON, which stays JSON
        return self.mask

    def _custom(self, match: re.Match[str]) -> str:
        group = 1 if match.re.groups and match[1] is not None else 0
        start, end = match.span(group)
        if start == end or self._is_masked(match.string, start, end):
            return match[0]
        return match.string[match.start() : start] + self.mask + match.string[end : match.end()]

    def _is_masked(self, text: str, start: int, end: int) -> bool:
        """Tell whether this is part of what was masked before: a second time must change nothing."""
        length = len(self.mask)
        return text.find(self.mask, max(0, end - length), start + length) >= 0

    # ------------------------------------------------------------------ names in texts

    def _without_named(self, text: str, names: Names, code: bool) -> str:
        if "ookie" in text or "OOKIE" in text:
            text = _COOKIE.sub(self._token, text)
        made: list[str] = []
        done = position = 0
        while (named := _NAMED.search(text, position)) is not None:
            position = named.end()
            before = text[named.start() - 1] if named.start() else ""
            if before == ":" == named["mark"]:
                continue  # "arn:aws:secretsmanager:...:secret:name"
            in_query = before == "?" or before == "&"
            if not (names.parameter if in_query else names.secret)(named["key"]):
                continue
            begin, end, position, quoted = self._value(text, position)
            masked = self._masked(text[begin:end], named, code, quoted)
            if masked:
                made += (text[done:begin], masked)
                done = end
        if not done:
            return text
        made.append(text[done:])
        return "".join(made)

    def _value(self, text: str, position: int) -> tuple[int, int, int, bool]:
        """Return where a value begins and ends, where to go on behind it, and whether it is in quotes."""
        first = text[position : position + 1]
        pattern = _QUOTED.get(first)
        value = None if pattern is None else pattern.match(text, position)
        if value is not None:
            return (*value.span(2), value.end(), True)
        value = self._bare.match(text, position)
        end = position if value is None else value.end()
        nested = first == "[" or first == "{"
        if nested and not text.startswith(self.mask, position) and not _PLACEHOLDER.fullmatch(text, position, end):
            end = _end_of_nested(text, position)
        return position, end, end, False

    def _masked(self, found: str, named: re.Match[str], code: bool, quoted: bool) -> str:
        """Return what stands for a value of a secret name, empty where it stays."""
        if not found or _PLACEHOLDER.fullmatch(found):
            return ""
        if quoted:
            return self.mask
        if code or found.startswith(self.mask):
            return ""
        quote = named["quote"]
        return f"{quote}{self.mask}{quote}" if quote and named["mark"] == ":" else self.mask


_QUOTED = {"\\": _ESCAPED, '"': _DOUBLE, "'": _SINGLE}


def _end_of_nested(text: str, start: int) -> int:
    """Return where a list or an object ends; the end of the text where it does not."""
    depth = 0
    for match in _BRACKETS.finditer(text, start):
        if match[0] == "[" or match[0] == "{":
            depth += 1
        elif match[0] == "]" or match[0] == "}":
            depth -= 1
            if depth == 0:
                return match.end()
    return len(text)


def _before(text: str, start: int) -> str:
    while start > 0 and text[start - 1] in " \t\r\n":
        start -= 1
    return text[start - 1 : start] or "none"


def _behind(text: str, end: int) -> str:
    while end < len(text) and text[end] in " \t\r\n":
        end += 1
    return text[end : end + 1] or "none"


def is_card(digits: str) -> bool:
    """Tell whether these are the digits of a card: its issuer's first ones, as many as it has, and the check digit.

    Visa, Mastercard, American Express, Discover, Diners Club, JCB and UnionPay (ISO/IEC 7812-1, Annex B). Numbers that
    few cards have and many counters, Visa's with 13 and 19 digits, are left out.
    """
    length = len(digits)
    if length == 16:
        known = (
            digits[0] == "4"
            or "51" <= digits[:2] <= "55"
            or "2221" <= digits[:4] <= "2720"
            or digits[:4] == "6011"
            or "644" <= digits[:3] <= "659"
            or "3528" <= digits[:4] <= "3589"
            or digits[:2] == "62"
        )
    elif length == 15:
        known = digits[:2] in ("34", "37")
    elif length == 14:
        known = digits[:2] in ("36", "38", "39") or "300" <= digits[:3] <= "305"
    else:
        known = 17 <= length <= 19 and digits[:2] == "62"
    if not known:
        return False
    total = 0
    for index, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + index % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0
