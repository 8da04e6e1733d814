import sys
from pathlib import Path

# The model of these tests is in a module beside them, which are no package.
sys.path.insert(0, str(Path(__file__).parent))
