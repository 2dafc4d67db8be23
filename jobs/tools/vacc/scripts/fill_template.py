"""Write a file with what is known only now: fill_template.py TEMPLATE TARGET NAME=VALUE ...

Each ``<NAME>`` of the template becomes its value. A name that the template lacks, or one that is
left over in it, is an error: half a configuration starts half a server.
"""

import re
import sys
from pathlib import Path


def main():
    template, target, *pairs = sys.argv[1:]
    text = Path(template).read_text(encoding="utf-8")
    for pair in pairs:
        name, _, value = pair.partition("=")
        if f"<{name}>" not in text:
            sys.exit(f"error: {template} has no <{name}>")
        text = text.replace(f"<{name}>", value)
    left = re.findall(r"<[a-z_]+>", text)
    if left:
        sys.exit(f"error: no value for {', '.join(left)} in {template}")
    Path(target).write_text(text, encoding="utf-8")
    print(text, end="", flush=True)


if __name__ == "__main__":
    main()
