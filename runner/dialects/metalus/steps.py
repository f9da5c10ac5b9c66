"""The steps of a pipeline: containers, whose variables and images can be references."""

from collections.abc import Collection
from typing import Final

from runner.dialects.data import data_of, texts_of
from runner.dialects.findings import Findings, quoted
from runner.dialects.metalus.fields import Fields
from runner.dialects.metalus.keys import PULLS
from runner.dialects.metalus.texts import check_text, refuse_references, tell_empty
from runner.dialects.nodes import Entry, Node, Scalar
from runner.dialects.nodes import Mapping as Map
from runner.errors import Place
from runner.plan import mapping, quantities
from runner.plan.graph import Named
from runner.plan.mapping import MappingError
from runner.plan.model import Limits, PullPolicy, SecretUse, Step
from runner.records import record

_FIXED: Final = ("user", "entrypoint", "working_dir", "shell")
"""The keys of a step whose texts go to the engine as they are written."""


@record
class WrittenStep:
    """A step as it was written; ``texts`` are those that can be references."""

    named: Named
    step: Step
    texts: tuple[Scalar, ...] = ()


def read_step(fields: Fields, pipeline: str, given: Collection[str]) -> WrittenStep:
    """Return a step of a pipeline. Variables that are ``given`` from outside are left out of its environment.

    It is called ``pipeline/step``, which no other step of an execution is.
    """
    named = fields.id()
    environment = _variables(fields, "environment")
    environment = {name: value for name, value in environment.items() if name not in given}
    parameters = _variables(fields, "parameters", "PARAMETER_")
    image, variables = _image(fields), {**environment, **parameters}
    for key in _FIXED:
        refuse_references(fields, key)
    fields.word("type", "")  # there is one only
    artifacts = fields.inner("artifacts")
    step = Step(
        name=f"{pipeline}/{named.name}",
        image=image.text if image else "",
        commands=fields.texts("commands"),
        entrypoint=fields.texts("entrypoint"),
        environment={name: value.text for name, value in variables.items()},
        secrets=_secrets(fields),
        pull=PULLS[fields.word("pull", PullPolicy.NOT_PRESENT)],
        user=fields.text("user"),
        timeout=fields.parsed("timeout", quantities.timeout, None),
        retry=fields.parsed("retry", quantities.retry, 0),
        shell=fields.text("shell"),
        working_dir=fields.text("working_dir"),
        limits=_limits(fields),
        artifacts=artifacts.texts("paths") if artifacts else (),
        pipeline=pipeline,
        id=named.name,
    )
    return WrittenStep(named=named, step=step, texts=(*variables.values(), *((image,) if image else ())))


def _image(fields: Fields) -> Scalar | None:
    fields.required("image", "name the image that it runs in")
    image = fields.scalar("image")
    if image is not None:
        check_text(image, f"'image' of {fields.what}", fields.findings)
    return image


def _variables(fields: Fields, key: str, prefix: str = "") -> dict[str, Scalar]:
    """Return variables by their names; of parameters, which have a ``prefix``, those in upper case, as in Vela."""
    node = fields.mapping(key)
    found: dict[str, Scalar] = {}
    for entry in node.entries if node else ():
        where = f"{entry.key.text} in {key!r} of {fields.what}"
        check_variable(entry.key.text, entry.key.place, fields.findings)
        name = f"{prefix}{entry.key.text.upper()}" if prefix else entry.key.text
        value = _value(entry, where, fields.findings)
        if name in found:
            fields.findings.warning(entry.key.place, f"{where} is {name}, as one before it", "keep one of them")
        if value is not None:
            found[name] = value
        elif not prefix:
            found[name] = Scalar(text="", place=entry.value.place, plain=False)
    return found


def check_variable(name: str, place: Place, findings: Findings) -> None:
    """Record a name that no variable can have; the loader lets no NUL through."""
    if not name or not {"=", "\n"}.isdisjoint(name):
        message = f"{quoted(name)} cannot be the name of a variable"
        findings.error(place, message, "a name is not empty, and has no '=' and no newline")


def _value(entry: Entry, where: str, findings: Findings) -> Scalar | None:
    """Return a value as the text of a variable; None where there is none."""
    node = entry.value
    if isinstance(node, Scalar):
        tell_empty(node, where, findings)
        check_text(node, where, findings)
        return None if node.is_null else node
    try:
        found = Scalar(text=mapping.text_of(data_of(node)), place=node.place, plain=False)
    except MappingError as error:
        findings.error(node.place, f"{where}: {error.message}", error.hint)
        return None
    for text in (*_texts_in(node), found):
        if mapping.is_mapped(text.text):
            message = f"{where} holds a reference inside a list or a map: {quoted(text.text)}"
            findings.error(text.place, message, "put the list or map into globals, and write a reference to it here")
            break
    return found


def _texts_in(node: Node) -> list[Scalar]:
    """Return all texts of a list or map, the keys of maps too."""
    keys = [entry.key for entry in node.entries] if isinstance(node, Map) else []
    return [*keys, *texts_of(node)]


def _limits(step: Fields) -> Limits:
    fields = step.inner("limits")
    if fields is None:
        return Limits()
    return Limits(
        cpus=fields.parsed("cpus", quantities.cpus, None),
        memory=fields.parsed("memory", quantities.memory, None),
        pids=fields.parsed("pids", quantities.pids, None),
    )


def _secrets(step: Fields) -> tuple[SecretUse, ...]:
    """Return the secrets of a step: names, each given under itself in upper case, or maps (as Vela's)."""
    found = [_secret(item, step) for item in step.entries("secrets")]
    return tuple(use for use in found if use.source and use.target)


def _secret(item: Node, step: Fields) -> SecretUse:
    if isinstance(item, Map):
        fields = step.beneath(item, f"a secret of {step.what}", step.kind_in("secrets"))
        source = fields.required("source", "name the secret")
        target, place = fields.required("target", "name the variable that receives it"), fields.place("target")
    elif isinstance(item, Scalar):
        source = target = "" if item.is_null else item.text
        place = item.place
    else:
        step.wrong_kind("secrets", item, "a list of names, or of maps with 'source' and 'target'")
        return SecretUse(source="", target="")
    if target:
        check_variable(target, place, step.findings)
    return SecretUse(source=source, target=target.upper())
