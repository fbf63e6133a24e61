"""What a backend asks of the settlement system, through Temporal's Python SDK. As a program: one request, answered as JSON."""

import asyncio
import json
import os
import sys
from typing import Any

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError

ANSWER_WITHIN_SECONDS = 30


class Refusal(Exception):
    """What the caller did wrong: a code, and the field that is meant."""

    def __init__(self, error: ApplicationError) -> None:
        super().__init__(error.message)
        self.code = error.type
        self.field = error.details[0] if error.details else None


class Settlement:
    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    async def connect(cls) -> "Settlement":
        """Reads TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, ... or temporal.toml."""
        return cls(await Client.connect(**ClientConfig.load_client_connect_config()))

    async def ask(self, session_id: str, update: str, *args: Any) -> Any:
        """Asks the session's run, which is started when there is none. TimeoutError: nobody answered; ask again."""
        start = WithStartWorkflowOperation(
            "checkoutSession",
            {"sessionId": session_id},
            id=f"checkout-session:{session_id}",
            task_queue="settlement",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        asked = self._client.execute_update_with_start_workflow(
            update, args=args, start_workflow_operation=start
        )
        try:
            return await asyncio.wait_for(asked, ANSWER_WITHIN_SECONDS)
        except WorkflowUpdateFailedError as error:
            if isinstance(error.cause, ApplicationError):
                raise Refusal(error.cause) from error
            raise

    async def wake(self, session_id: str, hint: dict[str, str] | None = None) -> None:
        """Look again; accepted when no worker runs, too."""
        await self._client.start_workflow(
            "checkoutSession",
            {"sessionId": session_id},
            id=f"checkout-session:{session_id}",
            task_queue="settlement",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="wake",
            start_signal_args=[hint or {}],
        )


async def main(session_id: str, message: str, *args: str) -> int:
    settlement = await Settlement.connect()
    values = [json.loads(arg) for arg in args]
    try:
        if message == "wake":
            answer = await settlement.wake(session_id, *values)
        else:
            answer = await settlement.ask(session_id, message, *values)
    except Refusal as refusal:
        answer = {"code": refusal.code, "field": refusal.field, "message": str(refusal)}
        print(json.dumps(answer, indent=2))
        return 1
    print(json.dumps(answer, indent=2))
    return 0


if __name__ == "__main__":
    code = asyncio.run(main(*sys.argv[1:]))
    sys.stdout.flush()
    os._exit(code)  # the SDK's threads may abort an interpreter that ends (temporalio/sdk-python#300); a server lives on
