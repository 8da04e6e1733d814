import pytest

pytest.register_assert_rewrite("database_contract")  # the contract that both backends' test files share
