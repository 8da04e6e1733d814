import sys
from pathlib import Path

import pytest

# The contract is shared by the backends' test files, which are no package.
sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("database_contract")
