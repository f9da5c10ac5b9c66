"""The secrets that a pipeline declares, and those that a step asks for."""

from runner.dialects.source import Mapping, Node, Scalar, quoted
from runner.dialects.vela.environment import check_name
from runner.dialects.vela.fields import Fields, title
from runner.plan.graph import Named
from runner.plan.model import SecretUse

_KEY_FORMS = {"repo": "org/repo/name", "org": "org/name", "shared": "org/team/name"}


def read_secrets(pipeline: Fields) -> tuple[str, ...]:
    """Return the names of the declared secrets (``compiler/types/yaml/secret.go`` of go-vela/server).

    Where a store of secrets keeps them (``key``, ``engine``, ``type``) and when it is asked (``pull``) is checked, and
    means nothing without that store. Those with an ``origin`` are read by ``origins``.
    """
    names: dict[str, None] = {}
    for node in pipeline.items("secrets"):
        if not isinstance(node, Mapping):
            pipeline.wrong_kind("secrets", node, "a list of maps, each with a 'name'")
            continue
        name = _read_secret(pipeline.beneath(node, title(node, "secret"), pipeline.kind_in("secrets")))
        if name in names:
            pipeline.findings.warning(node.place, f"the secret {quoted(name)} is declared twice", "remove one")
        elif name:
            names[name] = None
    return tuple(names)


def read_uses(step: Fields) -> tuple[tuple[SecretUse, Named], ...]:
    """Return the secrets that a step asks for, each with the name and place of its source.

    They are names, each given under itself in upper case, or maps with ``source`` and ``target``; not a mixture, which
    Vela cannot read (``compiler/types/yaml/secret.go``, ``StepSecretSlice``).
    """
    items = step.entries("secrets")
    maps = tuple(item for item in items if isinstance(item, Mapping))
    if maps and len(maps) != len(items):
        other = next(item for item in items if not isinstance(item, Mapping))
        message = f"'secrets' of {step.what} holds names and maps"
        step.findings.error(other.place, message, "write {source: NAME, target: NAME} for each, or names only")
        return ()
    uses = (_read_use(item, step) for item in items)
    return tuple(use for use in uses if use)


def _read_secret(fields: Fields) -> str:
    findings = fields.findings
    if fields.value("origin") is not None:
        return ""
    name = fields.required("name", "give it the name that steps use")
    if not {"=", "\n"}.isdisjoint(name):
        findings.error(fields.place("name"), f"{quoted(name)} cannot be the name of a secret", "remove '=' or newline")
    fields.word("engine", "native")
    fields.word("pull", "build_start")
    form = _KEY_FORMS[fields.word("type", "repo")]
    key = fields.text("key")
    parts = key.split("/", form.count("/"))
    if key and (len(parts) <= form.count("/") or not all(parts)):
        message = f"'key' of {fields.what} is {quoted(key)}, and no store of secrets can have such a key"
        findings.warning(fields.place("key"), message, f"write {form}")
    return name


def _read_use(item: Node, step: Fields) -> tuple[SecretUse, Named] | None:
    if isinstance(item, Mapping):
        fields = step.beneath(item, f"a secret of {step.what}", step.kind_in("secrets"))
        if fields.value("source") is None and isinstance(item.get("name"), Scalar):
            message = f"{fields.what} is declared in the step"
            step.findings.error(item.place, message, "declare it under 'secrets' at the top, and write its name here")
            return None
        source = fields.required("source", "name the declared secret")
        target = fields.required("target", "name the variable that receives it")
        place = fields.place("target")
    else:
        written = step.item("secrets", item)
        source = target = "" if written is None or written.is_null else written.text
        place = item.place
    if not source or not target:
        return None
    check_name(target, place, f"in the secrets of {step.what}", step.findings)
    return SecretUse(source=source, target=target.upper()), Named(name=source, place=item.place)
