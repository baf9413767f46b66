"""molvae: learn a continuous map of molecules and search it.

```python
import molvae

model = molvae.load("zinc250k")
z = model.encode(["CC(=O)Nc1ccc(O)cc1"])
result = molvae.optimize(model, maximize=["qed"], at_most={"sa": 3.0}, budget=200, output="better")
```

The names below are loaded when they are first used: importing molvae loads no torch, RDKit or BoTorch.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
