"""Webhooks, policies, definitions, API services, certificate requests, flow control."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.admission.base import Attributes
from apiserver.admission.certificate_requester import CertificateRequester
from apiserver.api.kinds import (
    admissionpolicy,
    apiservice,
    certificatesigningrequest,
    customresourcedefinition,
    flowcontrol,
    runtimeclass,
    webhookconfiguration,
)
from apiserver.authn import User
from apiserver.rest.endpoint import Endpoints
from tests.unit.api.kinds_core.objects import a_node
from tests.unit.api.kinds_core.whole_others import HOOK, OTHERS, POLICY
from tests.unit.api.kinds_workloads.objects import complaints, created, told

WHOLE = {rules.kind: whole for rules, whole in OTHERS}


def a_hook(**fields: Any) -> dict[str, Any]:
    return a_node(webhooks=[{**HOOK, **fields}])


def test_a_webhook_gets_its_defaults() -> None:
    bare = {"clientConfig": {"service": {}}, "rules": [{}]}
    (hook,) = created(webhookconfiguration.MUTATING, a_node(webhooks=[bare]))["webhooks"]
    assert hook == {
        "clientConfig": {"service": {"port": 443}},
        "rules": [{"scope": "*"}],
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "timeoutSeconds": 10,
        "namespaceSelector": {},
        "objectSelector": {},
        "reinvocationPolicy": "Never",
    }
    assert "reinvocationPolicy" not in created(webhookconfiguration.VALIDATING, a_hook())["webhooks"][0]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (
            {"name": "a.b"},
            'name: Invalid value: "a.b": should be a domain with at least three segments separated by dots',
        ),
        ({"sideEffects": None}, "sideEffects: Required value: must specify one of None, NoneOnDryRun"),
        ({"sideEffects": "Some"}, 'sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'),
        (
            {"timeoutSeconds": 31},
            "timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
        ),
        ({"admissionReviewVersions": []}, "admissionReviewVersions: Required value: must specify one of v1, v1beta1"),
        (
            {"admissionReviewVersions": ["v2"]},
            'admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1',
        ),
        ({"clientConfig": {}}, "clientConfig: Required value: exactly one of url or service is required"),
        (
            {"clientConfig": {"url": "http://a"}},
            (
                "clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; "
                "desired format: https://host[/path]"
            ),
        ),
        (
            {"clientConfig": {"url": "https://a?b"}},
            'clientConfig.url: Invalid value: "b": query parameters are not permitted in the URL',
        ),
        (
            {"clientConfig": {"url": "https://u@a"}},
            'clientConfig.url: Invalid value: "u": user information is not permitted in the URL',
        ),
        (
            {"clientConfig": {"service": {"name": "a"}}},
            "clientConfig.service.namespace: Required value: service namespace is required",
        ),
        (
            {"rules": [{"operations": ["*", "CREATE"], "apiGroups": ["a"], "apiVersions": ["b"], "resources": ["c"]}]},
            (
                'rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not '
                "specify other operations"
            ),
        ),
        (
            {"rules": [{"operations": ["*"], "apiGroups": ["a"], "apiVersions": ["b"], "resources": ["*", "c"]}]},
            (
                'rules[0].resources: Invalid value: ["*","c"]: if \'*\' is present, must not specify '
                "other resources without subresources"
            ),
        ),
        ({"matchConditions": [{"name": "a"}]}, "matchConditions[0].expression: Required value"),
    ],
)
def test_a_webhook_is_checked(fields: dict[str, Any], found: str) -> None:
    assert complaints(webhookconfiguration.VALIDATING, a_hook(**fields)) == [f"webhooks[0].{found}"]


def test_webhooks_have_names_of_their_own() -> None:
    assert complaints(webhookconfiguration.VALIDATING, a_node(webhooks=[HOOK, HOOK])) == [
        'webhooks[1].name: Duplicate value: "a.b.c"'
    ]


def test_a_policy_has_something_to_say() -> None:
    told_of = "Required value: validations or auditAnnotations must be non-empty; neither provided"
    assert complaints(admissionpolicy.VALIDATING, a_node(spec=copy.deepcopy(POLICY))) == [
        f"spec.validations: {told_of}",
        f"spec.auditAnnotations: {told_of}",
    ]
    assert complaints(admissionpolicy.MUTATING, a_node()) == [
        "spec.matchConstraints: Required value",
        "spec.mutations: Required value: mutations must contain at least one item",
    ]
    assert complaints(admissionpolicy.VALIDATING_BINDING, a_node(spec={"paramRef": {}})) == [
        "spec.policyName: Required value",
        "spec.paramRef: Required value: one of name or selector must be specified",
        "spec.paramRef.parameterNotFoundAction: Required value",
        "spec.validationActions: Required value: at least one validation action is required",
    ]


def a_definition(**spec: Any) -> dict[str, Any]:
    made = copy.deepcopy(WHOLE["CustomResourceDefinition"])
    made["spec"].update(spec)
    return made


def test_a_definition_names_its_kind() -> None:
    rules = customresourcedefinition.RULES
    made = created(rules, a_definition(conversion=None))
    assert made["spec"]["names"]["listKind"] == "WidgetList"
    assert made["spec"]["names"]["singular"] == "widget"
    assert made["spec"]["conversion"] == {"strategy": "None"}
    assert made["status"]["storedVersions"] == ["v1"]
    assert complaints(rules, a_definition(group="example.org")) == [
        'metadata.name: Invalid value: "widgets.example.com": must be spec.names.plural+"."+spec.group'
    ]
    assert complaints(rules, a_definition(scope="Galaxy")) == [
        'spec.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced"'
    ]
    (complaint,) = complaints(rules, a_definition(versions=[{"name": "v1", "schema": {"openAPIV3Schema": {"a": 1}}}]))
    assert complaint.endswith("must have exactly one version marked as storage version")


def test_a_version_that_objects_were_stored_in_is_remembered() -> None:
    rules = customresourcedefinition.RULES
    old = created(rules, a_definition())
    new = copy.deepcopy(old)
    schema = {"openAPIV3Schema": {"a": 1}}
    new["spec"]["versions"] = [{"name": "v2", "storage": True, "schema": schema}]
    rules.prepare_update(new, old)
    assert new["status"]["storedVersions"] == ["v1", "v2"]
    assert told(rules.validate_update(new, old))[0].startswith(
        'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version'
    )


def test_an_api_service_is_named_after_what_it_serves() -> None:
    rules = apiservice.RULES
    made = a_node(spec={"version": "v1", "group": "a.b", "insecureSkipTLSVerify": True})
    assert complaints(rules, made) == [
        'metadata.name: Invalid value: "node-1": must be `spec.version+"."+spec.group`: "v1.a.b"',
        "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
        "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
        "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify",
    ]
    assert made["status"]["conditions"][0]["reason"] == "Local"


def a_request(**spec: Any) -> dict[str, Any]:
    made = copy.deepcopy(WHOLE["CertificateSigningRequest"])
    made["spec"].update(spec)
    return made


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"request": "eA=="}, 'spec.request: Invalid value: "eA==": PEM block type must be CERTIFICATE REQUEST'),
        ({"usages": []}, "spec.usages: Required value"),
        ({"usages": ["any", "any"]}, 'spec.usages[1]: Duplicate value: "any"'),
        ({"signerName": ""}, "spec.signerName: Required value"),
        (
            {"signerName": "a"},
            (
                'spec.signerName: Invalid value: "a": must be a fully qualified domain and path of the '
                "form 'example.com/signer-name'"
            ),
        ),
        (
            {"expirationSeconds": 1},
            "spec.expirationSeconds: Invalid value: 1: may not specify a duration less than 600 seconds (10 minutes)",
        ),
    ],
)
def test_a_certificate_request_is_checked(spec: dict[str, Any], found: str) -> None:
    assert complaints(certificatesigningrequest.RULES, a_request(**spec)) == [found]


def test_what_was_asked_for_stays() -> None:
    old, new = a_request(), a_request(username="root", usages=["any"])
    certificatesigningrequest.RULES.prepare_update(new, old)
    assert new["spec"] == old["spec"]


async def test_a_certificate_is_asked_for_by_whoever_sends_the_request() -> None:
    endpoint = Endpoints().find("certificates.k8s.io", "v1", "certificatesigningrequests")
    assert endpoint is not None
    made = a_request(username="root", groups=["system:masters"], extra={"a": ["b"]})
    plugin = CertificateRequester()
    assert plugin.handles(endpoint, "", "CREATE")
    user = User("somebody", "", ("system:authenticated",))
    await plugin.admit(
        Attributes(operation="CREATE", endpoint=endpoint, subresource="", namespace="", name="a", user=user, obj=made)
    )
    requester = {field: made["spec"].get(field) for field in certificatesigningrequest.REQUESTER}
    assert requester == {"username": "somebody", "groups": ["system:authenticated"], "uid": None, "extra": None}


def test_a_flow_has_subjects_and_a_level() -> None:
    rules = flowcontrol.SCHEMA
    made = a_node(spec={"matchingPrecedence": 1, "rules": [{"subjects": [{"kind": "User", "group": {}}]}]})
    assert complaints(rules, made) == [
        "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
        "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
        "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
        "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
        "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
    ]


def test_a_level_is_limited_or_not() -> None:
    rules = flowcontrol.LEVEL
    assert complaints(rules, a_node(spec={"type": "Exempt", "exempt": {}})) == []
    assert complaints(rules, a_node(spec={"type": "Exempt", "limited": {}})) == [
        "spec.limited: Forbidden: must be nil if the type is not Limited"
    ]
    queue = {"type": "Queue", "queuing": {"queues": 4, "handSize": 5}}
    made = a_node(spec={"type": "Limited", "limited": {"limitResponse": queue}})
    assert complaints(rules, made) == [
        "spec.limited.limitResponse.queuing.handSize: Invalid value: 5: should not be greater than queues (4)"
    ]
    assert made["spec"]["limited"]["nominalConcurrencyShares"] == 30


def test_a_runtime_keeps_its_handler() -> None:
    rules = runtimeclass.RULES
    assert told(rules.validate_update(a_node(handler="a"), a_node(handler="b"))) == [
        'handler: Invalid value: "a": field is immutable'
    ]
