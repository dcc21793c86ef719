"""The marks around commands that run on a console: their output and exit status are between them, and people do not see them."""

from __future__ import annotations

import re
import secrets

from .patterns import Match, Pattern
from .searches import SingleSearch

_MARK = r"[0-9a-f]{8}"
# Quotes stand in the middle of marks that are typed, so that the echo of a line does not hold them in one.
_LINE_END = r"(?=[\r\n]|\Z)"
_TYPED = re.compile(rf"""echo "(?:JL""B{_MARK}:){{2}}"; eval '(.*)'; echo "(?:JL""E{_MARK}:\$\?:){{2}}"{_LINE_END}""")
_ASKED = re.compile(rf'echo "JL""R(?:\$\{{PPID\}}x)?{_MARK}"{_LINE_END}')
_ANSWERED = re.compile(rf"^JLR(?:\d+x)?{_MARK}$", re.MULTILINE)
_BEGIN = re.compile(rf"^(?:JLB{_MARK}:){{2}}(?:\n|$)", re.MULTILINE)
_END = re.compile(rf"(?:JLE{_MARK}:(\d+):){{2}}$|JLE{_MARK}:(\d+)$", re.MULTILINE)
_TYPED_IN_LOADER = re.compile(rf"(?:; )?echo JLE{_MARK}:\$\?{_LINE_END}")
_TORN = re.compile(rf'JL(?:"")?[BER](?:\$\{{PPID\}}x|\d+x)?{_MARK}(?::(?:\d+|\$\?))?:?')
"""A mark that does not stand where it should, because its line was cut or something was printed into it."""


_KERNEL = re.compile(r"\[ *\d+\.\d{3,6}\][^\n]*\n")
LONGEST_NOISE = 10_000
"""Characters that the kernel may print in the middle of a mark."""


class Frame:
    """The frame of one command for a POSIX shell. Each mark stands twice, as the kernel may print in the middle of one."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(4)
        self.end = f"JLE{self.mark}:"
        """What stands behind the output, before the exit status."""

    def around(self, command: str) -> str:
        """Returns the line to type."""
        begin, end = f'"JL""B{self.mark}:JL""B{self.mark}:"', f'"JL""E{self.mark}:$?:JL""E{self.mark}:$?:"'
        return f"echo {begin}; {_closed(command)}; echo {end}"

    def begin_search(self, position: int) -> SingleSearch:
        """Looks for the begin of the output."""
        return MarkSearch(Pattern(f"JLB{self.mark}:"), position, "no sign that it began")

    def end_search(self, position: int) -> SingleSearch:
        """Looks for the end of the output and the exit status."""
        return MarkSearch(Pattern(rf"{self.end}(\d+):", Match.REGEX), position, "no exit status")

    def without_begin(self, text: str, after: str) -> tuple[str, list[str]]:
        """Takes away the rest of a begin mark in which the kernel printed.

        Args:
            text: what came behind the line with the mark.
            after: what stands behind the mark on its line; the mark once more, if nothing came in between.

        Returns:
            The rest of the text, and the lines of the kernel.
        """
        whole = f"JLB{self.mark}:"
        head = next(whole[:length] for length in range(len(whole), -1, -1) if after.startswith(whole[:length]))
        if head == whole or not _KERNEL.match(f"{after[len(head) :]}\n"):
            return text, []
        torn = re.match(rf"((?:{_KERNEL.pattern})*){re.escape(whole[len(head) :])}\n", text)
        return (text[torn.end() :], (after[len(head) :] + "\n" + torn[1]).splitlines()) if torn else (text, [])

    def without_end(self, text: str, status: str, after: str) -> tuple[str, list[str]]:
        """Takes away the first of the end marks if the second one was found, because the kernel printed in the first.

        Args:
            text: what came before the mark that was found.
            status: the exit status as it stands there.
            after: what stands behind the mark on its line.

        Returns:
            The rest of the text, and the lines of the kernel.
        """
        whole = f"{self.end}{status}:"
        if after[:1] == whole[:1]:  # it was the first one
            return text, []
        tail = text[-LONGEST_NOISE:]
        for cut in range(len(whole), 0, -1):
            head, rest = re.escape(whole[:cut]), re.escape(whole[cut:])
            if torn := re.search(rf"{head}((?:{_KERNEL.pattern})*){rest}\Z", tail):
                return text[: len(text) - (torn.end() - torn.start())], torn[1].splitlines()
        return text, []

    def output_in(self, text: str) -> str:
        """Returns the output in a text that has all of it."""
        return text.partition(f"JLB{self.mark}:")[2].partition("\n")[2].partition(self.end)[0]


class MarkSearch(SingleSearch):
    """The first match of a mark, in words for people.

    Args:
        pattern: the mark.
        position: where to begin.
        words: what is missing if it does not come.
    """

    def __init__(self, pattern: Pattern, position: int, words: str) -> None:
        super().__init__(pattern, position)
        self._words = words

    def __str__(self) -> str:
        return self._words


def without_frames(text: str) -> str:
    """Shows commands as they were given, for people: their marks say nothing beside the exit status."""
    if "JL" not in text:
        return text
    text = _TYPED.sub(lambda match: match[1].replace("'\\''", "'"), text)
    text = _TYPED_IN_LOADER.sub("", _ANSWERED.sub("[a shell]", _ASKED.sub("[is a shell there?]", text)))
    text = _END.sub(lambda match: f"[exit status {match[1] or match[2]}]", _BEGIN.sub("", text))
    return _TORN.sub("", text)


def is_mark(pattern: str) -> bool:
    """Whether a pattern is one of the marks, which nobody asked for."""
    return bool(re.match(rf"JL[BER](?:\\d\+x)?{_MARK}", pattern))


def _closed(command: str) -> str:
    """Sees to it that what stands behind a command is not swallowed or spoiled by its end, such as a comment, an `&` or a `;`."""
    return f"eval '{in_quotes(command)}'"


def in_quotes(text: str) -> str:
    """Returns how a text stands between single quotes, where a shell cannot have one."""
    return text.replace("'", "'\\''")
