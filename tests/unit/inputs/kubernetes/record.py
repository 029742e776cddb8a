"""Record what Kubernetes' own code makes of generated Pods, for runs that cannot ask it."""

import json
from pathlib import Path

from tests.support.generated_pods import generated
from tests.support.kubernetes_oracle import oracle

_SEEDS = 160

if __name__ == "__main__":
    found = {seed: oracle().ask(generated(seed).encode(), run=True) for seed in range(_SEEDS)}
    for answer in found.values():
        del answer["documents"]
    lines = (f'"{seed}": {json.dumps(answer, sort_keys=True)}' for seed, answer in found.items())
    Path(__file__).with_name("kubelet.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
