"""python -m tests.audit: the known vulnerabilities of what is installed, by pip-audit.

A database that does not know what everybody knows has audited nothing, and that is said.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

#: A release with a known SQL injection, CVE-2025-64459.
KNOWN = "Django==5.2.7"


class NotAudited(Exception):
    """There is no answer that counts."""


def ask(service, what):
    """What a database says of each package: its name, version and vulnerabilities, or why not."""
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off"]
    done = subprocess.run(
        [*command, *service, *what],
        capture_output=True,
        text=True,
        timeout=600,
    )
    try:
        return json.loads(done.stdout)["dependencies"]
    except ValueError:
        raise NotAudited((done.stderr.strip() or "no answer").splitlines()[-1]) from None


def listed(file):
    """The options for what a file lists, without looking for what that depends on."""
    return ["--requirement", str(file), "--no-deps", "--disable-pip"]


def check(service):
    """Raise NotAudited where a database knows nothing."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "known.txt"
        file.write_text(f"{KNOWN}\n")
        [known] = ask(service, listed(file))
    if not known.get("vulns"):
        raise NotAudited(known.get("skip_reason") or f"it knows nothing against {KNOWN}")


def audit(services, what):
    """Print what is found; return the exit code: 1 where something is."""
    for name, service in services.items():
        try:
            check(service)
            packages = ask(service, what)
        except NotAudited as exc:
            print(f"Not audited by {name}: {exc}")
            continue
        audited = [each for each in packages if "skip_reason" not in each]
        found = [each for each in audited if each["vulns"]]
        for each in packages:
            if "skip_reason" in each:
                print(f"Not audited: {each['name']}: {each['skip_reason']}")
        for each in found:
            ids = ", ".join(vulnerability["id"] for vulnerability in each["vulns"])
            print(f"VULNERABLE: {each['name']} {each['version']}: {ids}")
        print(f"{name}: {len(audited)} packages audited, {len(found)} vulnerable")
        return 1 if found else 0
    print("NOTHING WAS AUDITED")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requirement", help="audit what this file lists, not what is installed")
    parser.add_argument("--osv-url", help="the database to ask, instead of PyPI's and OSV's own")
    options = parser.parse_args()
    osv = ["--vulnerability-service=osv"]
    services = {"PyPI": ["--vulnerability-service=pypi"], "OSV": osv}
    if options.osv_url:
        services = {options.osv_url: [*osv, f"--osv-url={options.osv_url}"]}
    what = listed(options.requirement) if options.requirement else ["--skip-editable"]
    return audit(services, what)


if __name__ == "__main__":
    sys.exit(main())
