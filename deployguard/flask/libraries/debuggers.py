"""Remote debuggers that a program lets in by itself."""

from deployguard.flask.libraries.effects import REMOTE
from deployguard.python import Call, EffectKind, Native, Value, known


def _debugpy_listen(call: Call) -> Value:
    call.run.emit(
        EffectKind.LIBRARY,
        REMOTE,
        call.location,
        values={"address": call.argument(0, "endpoint") or known(5678)},
    )
    return known(None)


DEBUGPY = {"listen": Native("debugpy.listen", _debugpy_listen)}
