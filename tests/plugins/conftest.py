import pytest

pytest.register_assert_rewrite("upstream_contract")  # the contract that the test files of several providers share
