"""AdmissionReview v1 in and out (k8s.io/api/admission/v1); what is judged is the pipeline's."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from deployguard.errors import InputError
from deployguard.formats.yaml import Dialect, documents
from deployguard.inputs.kubernetes.containers import containers
from deployguard.inputs.kubernetes.manifests import Manifests, objects
from deployguard.model.decision import Decision
from deployguard.model.objects import ImageSource, ObjectSource
from deployguard.model.report import Report, Status, Target, TargetKind
from deployguard.pipeline import ScanOptions, review
from deployguard.policy import Policy
from deployguard.webhook import message

API_VERSION = "admission.k8s.io/v1"
_JUDGED = frozenset({"CREATE", "UPDATE"})


class BadRequestError(Exception):
    """The body is no AdmissionReview v1; the text says what is wrong."""


class Judge(Struct, frozen=True, kw_only=True):
    """What a review is judged with; the options are asked anew, for the day goes on."""

    policies: Sequence[Policy]
    options: Callable[[], ScanOptions]
    objects: ObjectSource
    images: ImageSource


class Request(Struct, frozen=True, kw_only=True):
    """The parts of an AdmissionRequest that count."""

    uid: str
    operation: str
    namespace: str | None
    name: str
    object: Any


def parse(body: bytes) -> Request:
    """Read a request. Raises BadRequestError for what is no AdmissionReview v1."""
    try:
        review_object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError("the body is not JSON") from error
    if not isinstance(review_object, dict) or review_object.get("kind") != "AdmissionReview":
        raise BadRequestError("the body is no AdmissionReview")
    if review_object.get("apiVersion") != API_VERSION:
        raise BadRequestError(f"the AdmissionReview is not of {API_VERSION}")
    request = review_object.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("uid"), str):
        raise BadRequestError("the AdmissionReview has no request with a uid")
    if not request["uid"]:
        raise BadRequestError("the uid is empty")
    namespace = request.get("namespace")
    return Request(
        uid=request["uid"],
        operation=str(request.get("operation", "")),
        namespace=namespace if isinstance(namespace, str) and namespace else None,
        name=str(request.get("name") or ""),
        object=request.get("object"),
    )


def answer(request: Request, judge: Judge) -> dict[str, Any]:
    """Judge a request and build the AdmissionReview that answers it; never a patch."""
    if request.operation not in _JUDGED or request.object is None:
        return _review({"uid": request.uid, "allowed": True})
    return _review(response(request.uid, report(request, judge)))


def report(request: Request, judge: Judge) -> Report:
    """Judge the object of a request through the stages of `scan`."""
    name = request.name or "the request"
    target = Target(name=name, argument=name, kind=TargetKind.KUBERNETES, status=Status.INSPECTED)
    try:
        specs = containers(_manifests(request, name), name, judge.objects, judge.images)
    except InputError as error:
        failed = Target(
            name=name,
            argument=name,
            kind=TargetKind.KUBERNETES,
            status=Status.FAILED,
            problems=(error.problem(),),
        )
        return review(failed, (), judge.policies, judge.options())
    return review(target, specs, judge.policies, judge.options())


def _manifests(request: Request, name: str) -> Manifests:
    """Read the object as manifests are read, with the request's namespace where it has none."""
    data = json.dumps(request.object).encode()
    found = [
        item
        for node in documents(data, name, Dialect.KUBECTL)
        if node is not None
        for item in objects(node, request.namespace)
    ]
    return Manifests(tuple(found))


def response(uid: str, judged: Report) -> dict[str, Any]:
    """Build the answer the API server expects for request `uid`."""
    allowed = judged.decision not in {Decision.BLOCK, Decision.ERROR}
    body: dict[str, Any] = {"uid": uid, "allowed": allowed}
    warnings = message.warnings(judged)
    if warnings:
        body["warnings"] = warnings
    if not allowed:
        body["status"] = {
            "code": 403,
            "reason": "Forbidden",
            "message": message.first_lines(judged),
        }
    body["auditAnnotations"] = {
        "decision": judged.decision.value,
        "findings": message.findings(judged),
    }
    return body


def failed(uid: str) -> dict[str, Any]:
    """Build the denial for a request on which the webhook itself failed: never an admission."""
    text = "deployguard itself failed on this request; see its log"
    status = {"code": 500, "reason": "InternalError", "message": text}
    return _review({"uid": uid, "allowed": False, "status": status})


def _review(body: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": body}
