"""Around the request: the command group, Flask-Caching, templates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template_string, request
from flask_caching import Cache

from flagmiddleware import Context
from flagmiddleware.flask import cached_by_flags, current_flags, flag_required, installation_of
from tests.flask.sites import flags_of, site

ROOT = Path(__file__).parents[2]


def test_the_flags_command_works_on_the_applications_flags() -> None:
    """``flask flags list`` and ``explain`` need no file: they read what the application reads."""
    runner = site().test_cli_runner()
    listed = runner.invoke(args=["flags", "list"])
    assert (listed.exit_code, "on-for-all" in listed.output) == (0, True), listed.output
    explained = runner.invoke(args=["flags", "explain", "beta", "--user", "ann", "plan=pro", "--format", "json"])
    assert (explained.exit_code, '"variant": "on"' in explained.output) == (0, True), explained.output


def test_the_flags_command_fails_with_its_own_words() -> None:
    """An unknown key is a usage error that names the nearest one, and an unknown command is none of Flask's."""
    runner = site().test_cli_runner()
    failed = runner.invoke(args=["flags", "explain", "beeta", "--user", "ann"])
    assert (failed.exit_code, "'beta'" in failed.output) == (2, True), failed.output
    assert runner.invoke(args=["flags", "lst"]).exit_code == 2


WITHOUT_RICH = """
import sys
sys.modules["rich"] = None
from tests.flask.sites import site
done = site().test_cli_runner().invoke(args=["flags", *sys.argv[1:]])
print(done.output, end="")
sys.exit(done.exit_code)
"""


@pytest.mark.parametrize("word", ["list", "--help"])
def test_without_the_cli_extra_the_command_says_what_to_install(word: str) -> None:
    """Flask brings Click and not Rich: ``flask flags`` then names the extra and exits with 2, without a traceback."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RICH, word], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "Error: flags needs rich: pip install 'flagmiddleware[cli]'\n"), done


def test_a_link_shows_the_variant_to_whoever_opens_it() -> None:
    """``flask flags link`` signs with the application's keys; the test client that follows it sees the variant."""
    app = site()
    app.add_url_rule("/", "home", lambda: str(current_flags().variant("colour")))
    made = app.test_cli_runner().invoke(
        args=["flags", "link", "colour=green", "--url", "http://localhost/", "--ttl", "5m"]
    )
    assert made.exit_code == 0, made.output
    client = app.test_client()
    assert client.get(made.output.strip(), follow_redirects=True).text == "green"
    assert app.test_client().get("/").text == "blue"


@pytest.mark.parametrize(
    ("choice", "told"), [("colour", "colour=on"), ("colour=pink", "pink"), ("on-for-all=on", "qa: true")]
)
def test_a_link_that_cannot_be_made_says_why(choice: str, told: str) -> None:
    """No variant, an unknown one, a flag that links may not name: exit code and the reason."""
    made = site().test_cli_runner().invoke(args=["flags", "link", choice, "--url", "http://localhost/"])
    assert made.exit_code != 0
    assert told in f"{made.output}{made.exception}"


def test_check_finds_misspelt_keys() -> None:
    """``flask flags check`` exits with 1 and the nearest key, or 0 where all is well."""
    app = site()
    assert app.test_cli_runner().invoke(args=["flags", "check"]).exit_code == 0
    app.add_url_rule("/", "home", flag_required("betta")(lambda: "in"))
    found = app.test_cli_runner().invoke(args=["flags", "check"])
    assert (found.exit_code, "did you mean 'beta'" in found.output) == (1, True), found.output


def cached_site(*named: str) -> Flask:
    """A page that Flask-Caching keeps, decided by ``staff-only`` and ``on-for-all``."""
    app = site(user=lambda request: {"id": request.headers["X-User"], "is_staff": request.headers["X-User"] == "ann"})
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache"})
    made: list[int] = []

    @app.get("/")
    @cache.cached(timeout=60, **cached_by_flags(*named))
    def page() -> str:
        made.append(1)
        here = current_flags()
        return f"{here.is_enabled('staff-only')} {here.is_enabled('on-for-all')} #{len(made)}"

    return app


def test_a_cached_view_is_kept_once_for_each_answer() -> None:
    """Ann and Bob get their own page, each from the cache the second time, and headers that say private."""
    client = cached_site("staff-only").test_client()
    pages = {user: [client.get("/", headers={"X-User": user}) for _ in range(2)] for user in ("ann", "bob")}
    assert {user: [page.text for page in got] for user, got in pages.items()} == {
        "ann": ["True True #1"] * 2,
        "bob": ["False True #2"] * 2,
    }
    assert all(page.headers["Cache-Control"] == "private" for got in pages.values() for page in got)


def test_a_cached_view_that_reads_a_flag_not_named_is_not_kept() -> None:
    """Forgetting to name a per-user flag costs the cache, never shows one user another's page."""
    client = cached_site("on-for-all").test_client()
    pages = [client.get("/", headers={"X-User": user}).text for user in ("ann", "bob", "ann")]
    assert pages == ["True True #1", "False True #2", "True True #3"]


def test_a_tester_sees_and_leaves_nothing_in_the_cache() -> None:
    """A QA link to a flag that is the same for everybody, which nobody need name: no page of theirs is for others."""
    app = site(flags=flags_of(dull={"qa": True}))
    cached = Cache(app, config={"CACHE_TYPE": "SimpleCache"}).cached(60, **cached_by_flags("on-for-all"))
    app.add_url_rule("/tested", view_func=cached(lambda: str(current_flags().is_enabled("dull"))))
    with app.test_request_context("/tested"):
        token = installation_of(app).sign_link({"dull": "on"}, request.environ)
    tester, other = app.test_client(), app.test_client()
    assert other.get("/tested").text == "False"
    assert tester.get(f"/tested?flags={token}").status_code == 303
    assert [client.get("/tested").text for client in (tester, other, tester)] == ["True", "False", "True"]
    assert app.test_client().get("/tested").text == "False"


TEMPLATE = """
{%- macro inside() %}{% flag "beta" %}m{% endflag %}{% endmacro -%}
{% flag "off-for-all" %}a{% elflag "beta" %}b{% else %}c{% endflag -%}
{% if flag("beta") %}d{% endif %}{% if "beta" is enabled_flag %}e{% endif %}{{ flag_value("colour") }}{{ inside() }}
"""


def test_templates_know_the_flags_of_the_request() -> None:
    """Tags, functions and the test, in a macro too, and each request its own answer from one compiled template."""
    app = site(context=lambda request: {"plan": request.args.get("plan")})
    template = app.jinja_env.from_string(TEMPLATE)
    app.add_url_rule("/", view_func=lambda: template.render())
    client = app.test_client()
    assert client.get("/?plan=pro").text.strip() == "bde#0f0m"
    assert client.get("/").text.strip() == "c#00f"
    assert client.get("/?plan=pro").text.strip() == "bde#0f0m"


def test_templates_work_without_a_request() -> None:
    """A mail that is rendered in an app context gets the application's flags, bound to nobody."""
    app = site()
    with app.app_context():
        assert render_template_string('{% flag "on-for-all" %}yes{% else %}no{% endflag %}') == "yes"


def test_a_mail_brings_flags_of_its_own() -> None:
    """Flags that are passed to a template are used instead of those of the running request: it is for somebody else."""
    app = site()
    somebody = installation_of(app).flags.bind(Context("bob", plan="pro"))
    mail = '{% flag "beta" %}new{% else %}old{% endflag %}'
    app.add_url_rule("/", view_func=lambda: render_template_string(mail) + render_template_string(mail, flags=somebody))
    assert app.test_client().get("/").text == "oldnew"


def test_markup_in_a_value_is_escaped() -> None:
    """A variant's value is text like any other: HTML in it is shown, not run."""
    sly: dict[str, Any] = {"variants": {"a": "<script>"}, "off": "a", "default": "a"}
    app = site(flags=flags_of(sly=sly))
    app.add_url_rule("/", view_func=lambda: render_template_string('{{ flag_value("sly") }}'))
    assert app.test_client().get("/").text == "&lt;script&gt;"


@pytest.mark.parametrize("key", ["nope", "nope_at_all"])
def test_an_unknown_flag_in_a_template_is_off(key: str) -> None:
    """A template with a misspelt key still renders."""
    app = site()
    app.add_url_rule(
        "/", view_func=lambda: render_template_string("{% flag key %}on{% else %}off{% endflag %}", key=key)
    )
    assert app.test_client().get("/").text == "off"
