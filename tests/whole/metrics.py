"""What a collector of metrics reads: fetches pages and prints each as JSON, as Prometheus' own parser understands it.

usage: metrics.py URL
"""

import json
import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families


def main(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        kind, text = answer.headers["content-type"], answer.read().decode()
    families = [
        {
            "name": family.name,
            "type": family.type,
            "help": family.documentation,
            "samples": [[sample.name, sample.labels, sample.value] for sample in family.samples],
        }
        for family in text_string_to_metric_families(text)
    ]
    print(json.dumps({"content_type": kind, "text": text, "families": families}))


if __name__ == "__main__":
    main(*sys.argv[1:])
