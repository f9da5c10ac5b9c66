from runner.plan.model import Plan, SecretUse
from runner.plan.uses import secrets_of
from tests.support.plans import stage, step


def test_the_secrets_of_plugins_are_asked_for_too() -> None:
    origin = step("vault", secrets=(SecretUse(source="role", target="ROLE"),))

    assert secrets_of(Plan(dialect="vela", stages=(), origins=(origin,))) == ("role",)


def test_the_secrets_of_a_plan_are_those_used_each_once() -> None:
    uses = (SecretUse(source="used", target="A"), SecretUse(source="both", target="B"))
    stages = (stage("s", step("a", secrets=uses), step("b", secrets=uses[:1])),)

    assert secrets_of(Plan(dialect="vela", secrets=("declared", "both"), stages=stages)) == ("used", "both")
