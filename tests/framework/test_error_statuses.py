"""HTTP statuses of domain errors."""

import inspect

import pytest

from blog import errors
from blog.framework.response.error_statuses import STATUSES, error_headers, error_status


class DraftNotFound(errors.NotFound):
    """A subclass that has no row in the table."""


class RenamedPostNotFound(DraftNotFound):
    """A subclass of a subclass."""


@pytest.mark.parametrize("kind", [DraftNotFound, RenamedPostNotFound])
def test_subclass_has_the_status_of_its_nearest_base_class(kind: type[errors.BlogError]) -> None:
    assert error_status(kind()) == 404


def test_subclass_in_the_domain_has_the_status_and_headers_of_its_base_class() -> None:
    assert error_status(errors.ReauthenticationRequired()) == 403
    error = errors.SecondFactorRequired("Enter the code", "otp_required")
    assert (error_status(error), error_headers(error)) == (401, {"WWW-Authenticate": 'Bearer realm="blog"'})


def test_error_without_a_row_in_the_table_is_a_500() -> None:
    assert error_status(errors.BlogError()) == 500


def test_every_domain_error_has_a_status_other_than_500() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.BlogError)]
    assert len(kinds) == 18
    for kind in set(kinds) - {errors.BlogError}:
        assert any(base in STATUSES for base in kind.__mro__[: kind.__mro__.index(errors.BlogError)]), kind
