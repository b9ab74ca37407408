"""vLLM with a chat endpoint that fails when it is asked to: a stand-in for a fault of the server."""

from __future__ import annotations

from typing import Any

from vllm.entrypoints.cli.main import main  # type: ignore[import-not-found]  # in a venv of its own
from vllm.entrypoints.openai.chat_completion.serving import (  # type: ignore[import-not-found]
    OpenAIServingChat,
)

answer = OpenAIServingChat.create_chat_completion


async def create_chat_completion(self: Any, request: Any, *rest: Any, **more: Any) -> Any:
    if request.messages[0]["content"] == "bad":
        raise RuntimeError("asked to fail")
    return await answer(self, request, *rest, **more)


if __name__ == "__main__":
    OpenAIServingChat.create_chat_completion = create_chat_completion
    main()
