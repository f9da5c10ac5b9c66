"""The secrets that a pipeline declares, and those that a step asks for."""

from runner.dialects.source import Findings, Mapping, Node, Scalar, quoted
from runner.dialects.vela.environment import check_name
from runner.dialects.vela.fields import Fields, title
from runner.dialects.vela.keys import SECRET, STEP_SECRET, check_keys
from runner.plan.graph import Named
from runner.plan.model import SecretUse

_ENGINES = ("native", "vault")
_PULLS = ("build_start", "step_start")
_KEY_FORMS = {"repo": "org/repo/name", "org": "org/name", "shared": "org/team/name"}


def read_secrets(pipeline: Fields) -> tuple[str, ...]:
    """Return the names of the declared secrets (``compiler/types/yaml/secret.go`` of go-vela/server).

    Where a store of secrets keeps them (``key``, ``engine``, ``type``) and when it is asked (``pull``) is checked, and
    means nothing without that store.
    """
    names: list[str] = []
    for node in pipeline.items("secrets"):
        if not isinstance(node, Mapping):
            pipeline.wrong_kind("secrets", node, "a list of maps, each with a 'name'")
            continue
        name = _read_secret(node, pipeline.findings)
        if name in names:
            pipeline.findings.warning(node.place, f"the secret {quoted(name)} is declared twice", "remove one")
        elif name:
            names.append(name)
    return tuple(names)


def read_uses(step: Fields) -> tuple[tuple[SecretUse, Named], ...]:
    """Return the secrets that a step asks for, each with the name and place of its source.

    They are names, each given under itself in upper case, or maps with ``source`` and ``target``; not a mixture, which
    Vela cannot read (``compiler/types/yaml/secret.go``, ``StepSecretSlice``).
    """
    value = step.value("secrets")
    items = step.items("secrets") if not isinstance(value, Scalar) else (value,)
    maps = tuple(item for item in items if isinstance(item, Mapping))
    if maps and len(maps) != len(items):
        other = next(item for item in items if not isinstance(item, Mapping))
        message = f"'secrets' of {step.what} holds names and maps"
        step.findings.error(other.place, message, "write {source: NAME, target: NAME} for each, or names only")
        return ()
    uses = (_read_use(item, step) for item in items)
    return tuple(use for use in uses if use)


def _read_secret(node: Mapping, findings: Findings) -> str:
    fields = Fields(node, title(node, "secret"), findings)
    check_keys(node, SECRET, fields.what, findings)
    if fields.value("origin") is not None:
        return fields.text("name")
    name = fields.required("name", "give it the name that steps use")
    if not {"=", "\n"}.isdisjoint(name):
        findings.error(fields.place("name"), f"{quoted(name)} cannot be the name of a secret", "remove '=' or newline")
    fields.word("engine", _ENGINES, "native")
    fields.word("pull", _PULLS, "build_start")
    form = _KEY_FORMS[fields.word("type", tuple(_KEY_FORMS), "repo")]
    key = fields.text("key")
    if key and (key.count("/") != form.count("/") or not all(key.split("/"))):
        findings.error(fields.place("key"), f"'key' of {fields.what} is {quoted(key)}", f"write {form}")
    return name


def _read_use(item: Node, step: Fields) -> tuple[SecretUse, Named] | None:
    if isinstance(item, Mapping):
        fields = Fields(item, f"a secret of {step.what}", step.findings)
        check_keys(item, STEP_SECRET, fields.what, step.findings)
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
