"""Credentials: a role's renew themselves, and a provider that fails for a moment is asked again."""

import gzip
import os
import sys

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import CredentialRetrievalError, EndpointVariantError
from botocore.regions import EndpointResolver

from django_sqs_kombu import CredentialsMissing, RequestFailed
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests
from django_sqs_kombu.transport.sqs.sessions import Identity, new_session
from django_sqs_kombu.transport.sqs.wire.keys import SessionKeys

ROLE = "arn:aws:iam::123456789012:role/worker"
ONCE = {"retries": {"total_max_attempts": 1}}


@pytest.fixture
def no_credentials(monkeypatch, tmp_path):
    """Nothing that boto3 could find; the file of its configuration."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "config"


def requests_with(scripted, *, keys=("KEY", "s"), **options):
    options = {
        "region": "us-east-1",
        "client-config": ONCE,
        "sts_endpoint_url": scripted.url,
        **options,
    }
    account = Account(
        options, access_key_id=keys[0], secret_access_key=keys[1], endpoint=scripted.url
    )
    return Requests(account)


def key_for(requests, scripted, queue):
    requests.call("PurgeQueue", queue)
    return scripted.keys[-1]


@pytest.fixture
def scripted(scripted):
    scripted.answers["PurgeQueue"] = b""
    return scripted


def test_a_role_is_assumed_without_predefined_queues(scripted):
    scripted.roles = [900]
    requests = requests_with(scripted, sts_role_arn=ROLE)

    assert key_for(requests, scripted, "orders") == "ROLE1"
    assert key_for(requests, scripted, "orders") == "ROLE1"
    assert scripted.assumed == 1


def test_each_queue_renews_its_credentials_by_itself(scripted):
    own = {"access_key_id": "OWN", "secret_access_key": "s"}
    requests = requests_with(
        scripted,
        sts_role_arn=ROLE,
        predefined_queues={
            "a": {"url": f"{scripted.url}/1/a"},
            "b": {"url": f"{scripted.url}/1/b", **own},
        },
    )
    # Each time they are near their end.
    scripted.roles = [50] * 2 + [900] * 2

    first = key_for(requests, scripted, "a"), key_for(requests, scripted, "b")
    second = key_for(requests, scripted, "a"), key_for(requests, scripted, "b")
    third = key_for(requests, scripted, "a"), key_for(requests, scripted, "b")

    assert first == ("ROLE1", "ROLE2")
    assert second == third == ("ROLE3", "ROLE4")


def test_a_queue_may_have_a_role_of_its_own(scripted):
    scripted.roles = [900]
    requests = requests_with(
        scripted,
        predefined_queues={
            "a": {"url": f"{scripted.url}/1/a", "sts_role_arn": ROLE},
            "b": {"url": f"{scripted.url}/1/b"},
        },
    )

    assert key_for(requests, scripted, "a") == "ROLE1"
    assert key_for(requests, scripted, "b") == "KEY"


def test_while_they_last_credentials_are_used_although_sts_is_down(scripted, monkeypatch):
    scripted.roles = [100]
    requests = requests_with(scripted, sts_role_arn=ROLE)

    assert [key_for(requests, scripted, "orders") for _ in range(3)] == ["ROLE1"] * 3


def test_where_sts_is_down_that_is_told_and_passes(scripted, monkeypatch):
    monkeypatch.setattr("django_sqs_kombu.transport.sqs.sessions.RENEWAL_PAUSE", 0)
    requests = requests_with(scripted, sts_role_arn=ROLE)

    with pytest.raises(CredentialsMissing, match="Away") as caught:
        requests.call("PurgeQueue", "orders")
    assert caught.value.passing
    assert "not SQS" in str(caught.value)

    scripted.roles = [900]
    assert key_for(requests, scripted, "orders") == "ROLE1"


def test_a_renewal_that_failed_is_not_tried_again_for_each_request(scripted):
    requests = requests_with(scripted, sts_role_arn=ROLE)
    asked = []
    answer = scripted.assume_role
    scripted.assume_role = lambda: asked.append(1) or answer()

    for _ in range(4):
        with pytest.raises(CredentialsMissing):
            requests.url("orders")

    # One try, and botocore's second.
    assert len(asked) <= 2


FAILS_ONCE = """
import json, os, sys
if not os.path.exists(sys.argv[1]):
    open(sys.argv[1], "w").close()
    sys.exit("the vault is sealed")
print(json.dumps({"Version": 1, "AccessKeyId": "VAULT", "SecretAccessKey": "s"}))
"""


def test_a_provider_that_fails_once_is_asked_again(no_credentials, scripted, tmp_path):
    script, mark = tmp_path / "provider.py", tmp_path / "mark"
    script.write_text(FAILS_ONCE)
    command = f"{sys.executable} {script} {mark}"
    no_credentials.write_text(f"[default]\ncredential_process = {command}\n")
    requests = requests_with(scripted, keys=(None, None))

    with pytest.raises(CredentialsMissing, match="sealed") as caught:
        requests.call("PurgeQueue", "orders")
    assert caught.value.passing

    assert key_for(requests, scripted, "orders") == "VAULT"


def test_a_provider_that_is_not_there_is_a_matter_of_credentials(no_credentials, scripted):
    no_credentials.write_text("[default]\ncredential_process = /nowhere/provider\n")
    requests = requests_with(scripted, keys=(None, None))

    with pytest.raises(CredentialsMissing, match="/nowhere/provider"):
        requests.call("PurgeQueue", "orders")


def test_credentials_that_come_later_are_found(no_credentials, scripted, monkeypatch):
    requests = requests_with(scripted, keys=(None, None))
    with pytest.raises(CredentialsMissing, match="AWS_ACCESS_KEY_ID") as caught:
        requests.call("PurgeQueue", "orders")
    assert caught.value.passing

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "LATE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")

    assert key_for(requests, scripted, "orders") == "LATE"


def test_credentials_that_were_exchanged_are_found_when_the_old_ones_are_refused(
    no_credentials, scripted, monkeypatch
):
    monkeypatch.setattr("django_sqs_kombu.transport.sqs.clients.FIND_AGAIN", 0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OLD")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    requests = requests_with(scripted, keys=(None, None))
    assert key_for(requests, scripted, "orders") == "OLD"

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "NEW")
    scripted.answers["PurgeQueue"] = (403, {"__type": "x#ExpiredToken", "message": "over"})
    with pytest.raises(RequestFailed) as caught:
        requests.call("PurgeQueue", "orders")
    assert caught.value.passing

    scripted.answers["PurgeQueue"] = b""
    assert key_for(requests, scripted, "orders") == "NEW"


def test_what_boto3_knows_of_services_is_looked_for_once(monkeypatch, tmp_path):
    (tmp_path / "own" / "2020-01-01").mkdir(parents=True)
    (tmp_path / "own" / "2020-01-01" / "service-2.json").write_text("{}")
    identity = Identity("us-east-1", "KEY", "s")
    new_session(identity)[0].client("sqs")
    looked = []

    def listdir(place, of=os.listdir):
        looked.append(os.path.basename(place))
        return of(place)

    monkeypatch.setattr(os, "listdir", listdir)
    new_session(identity)[0].client("sqs")

    assert set(looked) == {"sqs"}, "services are looked for again"
    # Whoever has descriptions of their own has them found, too.
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert "own" in new_session(identity)[0].get_available_services()


STOCK = botocore.session.Session()
PARTITIONS = [each["partition"] for each in STOCK.get_data("endpoints")["partitions"]]
#: The last is new.
SERVICES = sorted(
    {"sqs", "s3", "sns", "sts", "sso", "sso-oidc", "signin"} & {*STOCK.get_available_services()}
)


@pytest.fixture
def core():
    """What clients are made by."""
    return new_session(Identity("us-east-1", "KEY", "secret"))[1]


def endpoint(resolver, *asked, **variants):
    try:
        return resolver.construct_endpoint(*asked, **variants)
    except EndpointVariantError:
        return None


@pytest.mark.parametrize("name", SERVICES)
def test_where_services_are_is_known_as_to_botocore(core, name):
    service = STOCK.get_service_model(name).endpoint_prefix
    ours, stock = (EndpointResolver(each.get_data("endpoints")) for each in (core, STOCK))

    for partition in PARTITIONS:
        regions = stock.get_available_endpoints(service, partition, allow_non_regional=True)
        assert ours.get_available_endpoints(service, partition, True) == regions
        for region in [*regions, "xx-nowhere-1"]:
            for more in ({}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True}):
                asked = (service, region, partition)
                assert endpoint(ours, *asked, **more) == endpoint(stock, *asked, **more)


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1", "xx-nowhere-1"])
@pytest.mark.parametrize("name", SERVICES)
def test_clients_go_where_botocores_own_go(name, region):
    """With FIPS, kombu's fan-out by SNS went to a host in GovCloud that is not there."""
    for config in (None, Config(use_fips_endpoint=True), Config(use_dualstack_endpoint=True)):
        made = [
            session.client(name, config=config).meta.endpoint_url
            for session in (
                new_session(Identity(region, "KEY", "secret"))[0],
                boto3.session.Session("KEY", "secret", region_name=region),
            )
        ]
        assert made[0] == made[1]


def test_what_is_kept_of_all_services_is_little(core):
    partitions = core.get_data("endpoints")["partitions"]

    assert [each["partition"] for each in partitions] == PARTITIONS
    assert {"s3", "sqs", "sts"} <= set(partitions[0]["services"])
    assert max(len(each["services"]) for each in partitions) < 8


def test_a_description_may_be_of_any_form_that_botocore_reads(core, tmp_path):
    loader = core.get_component("data_loader").file_loader
    (tmp_path / "plain.json").write_text('{"b": 1, "a": 2}')
    (tmp_path / "packed.json.gz").write_bytes(gzip.compress(b'{"b": 1}'))

    assert list(loader.load_file(str(tmp_path / "plain"))) == ["b", "a"]
    assert loader.load_file(str(tmp_path / "packed")) == {"b": 1}
    assert loader.load_file(str(tmp_path / "missing")) is None


#: What a proxy may answer in the place of STS: (status, body).
PAGES = {
    "page": (200, b"<html><body>Sign in to the network</body></html>"),
    "empty": (200, b""),
    "no XML": (200, b'{"is": "JSON"}'),
    "no content": (204, b""),
    "no credentials": (200, b"<a><AssumeRoleResult></AssumeRoleResult></a>"),
}


@pytest.mark.parametrize("operation", ["PurgeQueue", "SendMessage"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_in_the_place_of_sts_is_no_answer_of_sqs(page, operation, scripted):
    scripted.assume_role = lambda: PAGES[page]
    requests = requests_with(scripted, sts_role_arn=ROLE)

    with pytest.raises(CredentialsMissing, match="the answer is of another form"):
        requests.call(operation, "orders")


def test_a_page_in_the_place_of_sts_leaves_a_profile_without_credentials(
    scripted, no_credentials, monkeypatch
):
    source = "[profile base]\naws_access_key_id = KEY\naws_secret_access_key = s\n"
    no_credentials.write_text(f"{source}[default]\nrole_arn = {ROLE}\nsource_profile = base\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", scripted.url)
    scripted.assume_role = lambda: PAGES["page"]
    _, session = new_session(Identity("us-east-1"))

    with pytest.raises(CredentialRetrievalError, match="the answer is of another form"):
        SessionKeys(session).now()
