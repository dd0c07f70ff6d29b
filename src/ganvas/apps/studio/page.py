"""The page: your data, train, use."""

from __future__ import annotations

import os
from collections.abc import Callable
from hmac import compare_digest
from pathlib import Path
from threading import Thread
from time import sleep

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..jobs import Jobs
from ..loopback import free_port, is_from_elsewhere
from . import data_step, train_step, use_step
from .uploads import ANSWERS, UPLOADS

SIZE = "2gb"  # of a file that is handed in
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self'"
    " 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self'"
    " data:; connect-src 'self' data: blob:; worker-src 'self' blob:; frame-src 'self' blob: data:;"
    " object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
)
"""Nothing is loaded from elsewhere, and browsers see to it."""


HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class OriginGuard:
    """The application, whose answers tell browsers to load nothing from elsewhere.

    open: Whether anybody who reaches it may ask; otherwise pages of elsewhere may not, nor by
        another name for this machine.
    """

    def __init__(self, app: ASGIApp, open: bool) -> None:
        self.app, self.open = app, open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *own]
            await send(message)

        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif origin := self._find_stranger(scope):
            words = f"{origin[:100]!r} may not ask here without a password; start the studio with"
            await PlainTextResponse(f"{words} --password", 403)(scope, receive, send)
        else:
            answer = send_with_headers if scope["type"] == "http" else send
            await self.app(scope, receive, answer)

    def _find_stranger(self, scope: Scope) -> str:
        """The page of elsewhere that asks and may not; nothing where there is none."""
        if self.open:
            return ""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        return is_from_elsewhere(headers)


def serve(runs: Path, host: str, port: int, password: str | None, most: int) -> Callable[[], None]:
    """Serves the page in a thread, from now on until what is returned is called. Raises InputError
    where the port is taken."""
    free_port(host, port)
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(runs / UPLOADS)}
    app = _mount_page(runs, password, most)
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="warning"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        sleep(0.05)

    def close() -> None:
        server.should_exit = True
        thread.join(5)

    return close


def _mount_page(runs: Path, password: str | None, most: int) -> FastAPI:
    """The page as an application; asks for the password where there is one."""
    page = build(runs, most)
    page.queue(default_concurrency_limit=4)
    # or else Gradio takes any path that a request names for one that was uploaded
    page.has_launched = True
    outer = FastAPI(middleware=[Middleware(OriginGuard, open=bool(password))], openapi_url=None)

    def is_password(_: str, word: str) -> bool:
        return compare_digest(word.encode(), (password or "").encode())

    app: FastAPI = gr.mount_gradio_app(
        outer,
        page,
        "/",
        allowed_paths=[str(runs / ANSWERS)],
        show_error=False,
        footer_links=[],
        ssr_mode=False,
        pwa=False,
        max_file_size=SIZE,
        theme=theme(),
        css_paths=Path(__file__).with_name("studio.css"),
        auth=is_password if password else None,
    )
    return app


def theme() -> gr.themes.Base:
    """Calm: a green for what is to be pressed, greys for the rest, and the fonts that are there."""
    return gr.themes.Base(
        primary_hue="emerald",
        neutral_hue="slate",
        radius_size="lg",
        font=FONT,
        font_mono=MONO,
    ).set(
        body_background_fill="#f7f8fa",
        body_background_fill_dark="#12151b",
        block_border_width="1px",
        button_primary_background_fill="#24695b",
        button_primary_background_fill_hover="#1c5549",
        button_primary_text_color="white",
        color_accent="#24695b",
        slider_color="#2f7d6d",
        body_text_color_subdued="#56617a",
        block_info_text_color="#56617a",
        checkbox_background_color_selected="#24695b",
        checkbox_border_color_selected="#24695b",
        block_label_text_size="*text_sm",
        block_shadow="none",
    )


def build(runs: Path, most: int = 1) -> gr.Blocks:
    """The page over a folder of runs."""
    jobs = Jobs(runs, most)
    page = gr.Blocks(title="Ganvas studio", analytics_enabled=False, delete_cache=(3600, 24 * 3600))
    with page:
        gr.HTML(
            '<header class="g-top"><h1>Ganvas studio</h1><p>Train a generative model on your own'
            " data, and use it. Everything stays on this machine.</p></header>",
            padding=False,
        )
        with gr.Tabs(selected="data", elem_id="steps") as steps:
            with gr.Tab("1  Your data", id="data", elem_classes="g-step"):
                data = data_step.build(runs)
            with gr.Tab("2  Train", id="train", elem_classes="g-step"):
                train = train_step.build(page, jobs, data)
            with gr.Tab("3  Use", id="use", elem_classes="g-step") as last:
                use_step.build(page, runs, train, last)
        data.onward.click(lambda: gr.Tabs(selected="train"), None, steps, api_visibility="private")
        train.onward.click(lambda: gr.Tabs(selected="use"), None, steps, api_visibility="private")
    return page
