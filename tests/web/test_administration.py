"""What owners decide on pages."""

import re

import pytest

from blog.schemas.accounts import Role


async def test_owner_switches_a_flag_and_sees_it(client, sign_in):
    ora = await sign_in("ora", Role.OWNER)
    page = (await client.get("/admin", headers=ora)).text
    assert re.findall(r'class="switch-state (\w+)"', page) == ["on"] * 4
    answer = await client.post("/admin/flags/comments", data={"enabled": "false"}, headers=ora)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin#flag-comments")
    page = (await client.get("/admin", headers=ora)).text
    assert re.findall(r'class="switch-state (\w+)"', page) == ["on", "off", "on", "on"]
    assert "Last switched on" in page
    assert 'value="true">Switch on' in page


async def test_page_and_its_link_are_for_owners(client, sign_in):
    edo = await sign_in("edo", Role.EDITOR)
    assert (await client.get("/admin", headers=edo)).status_code == 403
    assert (await client.post("/admin/flags/comments", data={"enabled": "false"}, headers=edo)).status_code == 403
    assert 'href="/admin"' not in (await client.get("/", headers=edo)).text
    assert 'href="/admin"' in (await client.get("/", headers=await sign_in("ora", Role.OWNER))).text


async def test_stranger_signs_in_first(client):
    answer = await client.get("/admin")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fadmin")


@pytest.mark.parametrize(
    ("name", "form", "status"), [("gravity", {"enabled": "false"}, 404), ("live", {"enabled": "maybe"}, 422)]
)
async def test_what_is_no_switch_switches_nothing(client, sign_in, name, form, status):
    ora = await sign_in("ora", Role.OWNER)
    assert (await client.post(f"/admin/flags/{name}", data=form, headers=ora)).status_code == status
    assert (await client.get("/admin", headers=ora)).text.count("Switch off") == 4
