from .chemistry.descriptors import describe_smiles as describe_smiles
from .chemistry.molecule import Invalid as Invalid
from .chemistry.molecule import Molecule as Molecule
from .chemistry.molecule import is_valid as is_valid
from .chemistry.molecule import parse as parse
from .chemistry.standardize import standardize as standardize
from .errors import MolvaeError as MolvaeError

__version__: str
