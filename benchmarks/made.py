"""Made: in words, with what figures were made."""

import re


def made_with(abouts):
    """Versions, machine and date of *abouts* (:func:`benchmarks.about.about`), each said once."""
    dates = sorted({about["date"][:10] for about in abouts})
    commits = sorted({about["commit"] for about in abouts if about["commit"]})
    loads = sorted(each for each in map(load, abouts) if each is not None)
    machines = sorted({machine(about) for about in abouts})
    pythons = sorted({about["python"] for about in abouts})
    versions = {}
    for about in abouts:
        for name, number in about["versions"].items():
            if number:
                versions.setdefault(name, set()).add(number)
    told = ", ".join(f"{name} {' and '.join(sorted(each))}" for name, each in versions.items())
    return (
        f"Measured on {' and '.join(dates)}, at {', '.join(commits)}, on {'; '.join(machines)},\n"
        f"at a load of {' to '.join(dict.fromkeys(f'{loads[n]:.1f}' for n in (0, -1)))}.  "
        f"Python {' and '.join(pythons)}; {told}.\n"
    )


def machine(about):
    """The machine, without its load."""
    return about["machine"].partition(", load")[0]


def load(about):
    """The machine's load when it began; None where nobody noted it."""
    found = re.search(r"load ([\d.]+)", about["machine"])
    return found and float(found[1])


def quiet(about):
    """Whether the machine had little else to do: messages a second mean something only then."""
    cores = int(re.search(r"(\d+) cores", about["machine"])[1])
    return (load(about) or 0) <= cores
