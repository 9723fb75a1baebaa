"""The command line: every command reads its arguments and calls one public function."""

import os
import sys

from fakeimg.errors import FakeimgError


def main() -> None:
    """Run `fakeimg`; exits 0 ok, 1 failure, 2 usage, 3 audit finding, 4 some inputs unreadable, 130 Ctrl-C."""
    from fakeimg.cli.commands import app

    if not sys.stderr.isatty():  # progress is for terminals; huggingface_hub reads this when it is imported
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        app()  # ends in SystemExit
    except KeyboardInterrupt:
        print("fakeimg: stopped", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # the reader, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except FakeimgError as error:
        print(f"fakeimg: {error}", file=sys.stderr)
        code = error.exit_code
    except OSError as error:
        print(f"fakeimg: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        code = 1
    sys.exit(code)
