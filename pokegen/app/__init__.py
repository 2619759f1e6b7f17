"""The web page of `pokegen app`: create, explore, look at the zoo, compare runs.

`studio` holds what the page does, without Gradio, so that another front end can use it; `shelf` the files that are
served; `parts` turns results into HTML; `page` is the layout in Gradio. Left out: users, passwords, and anything that
stays after the end: the page's folder is removed then.

    uvicorn --factory pokegen.app:create_app

serves it too; `pokegen app` adds checks of host and port.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pokegen.cards.request import DEFAULT_MODEL
from pokegen.optional import require

if TYPE_CHECKING:
    from fastapi import FastAPI

EXTRA = "'pokegen[app]'"


def create_app(model: str = DEFAULT_MODEL, runs: Path = Path("runs")) -> "FastAPI":
    """The page as an ASGI application. Its temporary folder is removed when the application shuts down, or else when
    the process ends.

    Args:
        model: sprite model that is chosen at first: a zoo name, a checkpoint folder, or hf:owner/name.
        runs: folder whose runs can be compared.

    Raises UserError where Gradio is not installed.
    """
    from pokegen.app.studio import Studio

    studio = Studio(model, runs)
    try:
        # Gradio reads these when it is imported: no message to its makers, no second server of Node, and no folder but
        # the studio's.
        os.environ["GRADIO_ANALYTICS_ENABLED"] = os.environ["GRADIO_SSR_MODE"] = "False"
        os.environ["GRADIO_TEMP_DIR"] = os.environ["GRADIO_EXAMPLES_CACHE"] = str(studio.folder / "uploads")
        require("gradio", install=EXTRA)

        from pokegen.app.serving import serve

        return serve(studio)
    except BaseException:
        studio.close()
        raise
