"""The order of the tests: each process of a run begins with its share of those that take long.

What takes long and begins last is waited for while the other processes have nothing left to do.
"""

from itertools import groupby

#: Their tests take long, too; they are not marked since they are left out as a folder, or wait
#: for what other versions of Python and Django may do otherwise.
LONG = ("tests/faults/", "tests/benchmarks/", "tests/django_sqs_kombu/working/test_circuits.py")
PAGES = "tests/pages/"


def takes_long(item):
    return item.get_closest_marker("slow") is not None or item.nodeid.startswith(LONG)


def dealt(items, processes):
    """The tests, so that each of so many equal parts, one after the other, begins with long ones.

    Those of a file stay together: they share what the file sets up.
    """
    shares = [[] for _ in range(processes)]
    files = groupby(filter(takes_long, items), key=lambda item: item.nodeid.partition("::")[0])
    for tests in sorted((list(tests) for _, tests in files), key=len, reverse=True):
        min(shares, key=len).extend(tests)
    long = {item for share in shares for item in share}
    others = [item for item in items if item not in long]
    found = []
    for number, share in enumerate(shares):
        # The pages together, so that their browser starts once.
        share.sort(key=lambda item: item.nodeid.startswith(PAGES))
        # As xdist shares out with --dist worksteal.
        size = (len(items) - len(found)) // (processes - number)
        others[:0] = share[size:]
        room = max(0, size - len(share))
        found += [*share[:size], *others[:room]]
        del others[:room]
    return found
