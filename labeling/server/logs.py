"""What must not stand in a log: whoever reads logs may not come in with what they find."""

import logging
import re

# The token of an invitation is a part of its address; Django itself writes the word set-password there once it has
# taken the token. Other secrets may stand in a query, in a header that is logged, or in an address with a password.
_PATTERNS = (
    (re.compile(r"(/accounts/(?:invitation|reset)/[^/\s]+/)(?!set-password/)[^/\s?\"']+"), r"\1(hidden)"),
    (re.compile(r"(/accounts/mine/address/)[^/\s?\"']+"), r"\1(hidden)"),
    (re.compile(r"(/accounts/sign-in/[^/\s]+/back/\?)[^\s\"']+"), r"\1(hidden)"),
    (re.compile(r"(/join/)(?!opened/)[^/\s?\"']+"), r"\1(hidden)"),
    (re.compile(r"(?i)\b(token|key|secret|password|passwd|signature|sessionid)=[^&\s\"']+"), r"\1=(hidden)"),
    (re.compile(r"(?i)\b(token|bearer|basic) +[a-z0-9._~+/=-]{16,}"), r"\1 (hidden)"),
    (re.compile(r"(\w+://[^:/\s@]+:)[^@/\s]+@"), r"\1(hidden)@"),
)


def without_tokens(text: str) -> str:
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class HideTokens(logging.Filter):
    """Replaces secrets in the message of a record and in its traceback. Lets every record through."""

    _formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        hidden = without_tokens(message)
        if hidden != message:
            record.msg, record.args = hidden, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = without_tokens(record.exc_text)
        return True
