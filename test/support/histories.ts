/** Everything that Temporal stores of a namespace's workflows, as somebody sees it who reads its database. */
import { Client, Connection } from '@temporalio/client';

/** A payload as it is stored: how it is encoded, and its bytes as text. */
export type StoredPayload = {
  readonly path: string;
  readonly encoding: string;
  readonly text: string;
};

/** All histories: what is legible in them, and every payload. Search attributes are apart: they are never encrypted. */
export type Histories = {
  readonly text: string;
  readonly payloads: readonly StoredPayload[];
  readonly searchAttributes: readonly StoredPayload[];
};

/** Reads the histories of the workflows that the query finds. */
export async function readHistories(address: string, query?: string): Promise<Histories> {
  const connection = await Connection.connect({ address });
  const client = new Client({ connection });
  const found: StoredPayload[] = [];
  const legible: string[] = [];
  try {
    for await (const { workflowId, runId } of client.workflow.list(query ? { query } : {})) {
      const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      walk(history, '', found, legible);
    }
  } finally {
    await connection.close();
  }
  const isAttribute = ({ path }: StoredPayload) => path.includes('searchAttributes');
  return {
    text: [...legible, ...found.map(({ text }) => text)].join('\n'),
    payloads: found.filter((payload) => !isAttribute(payload)),
    searchAttributes: found.filter(isAttribute),
  };
}

function walk(value: unknown, path: string, found: StoredPayload[], legible: string[]): void {
  if (typeof value === 'string') legible.push(value);
  if (typeof value !== 'object' || value === null) return;
  if (value instanceof Uint8Array) {
    legible.push(Buffer.from(value).toString());
    return;
  }
  const { metadata, data } = value as { metadata?: Record<string, Uint8Array>; data?: Uint8Array };
  if (metadata?.['encoding'] && data) {
    const encoding = Buffer.from(metadata['encoding']).toString();
    found.push({ path, encoding, text: Buffer.from(data).toString() });
    return;
  }
  for (const [key, inner] of Object.entries(value)) walk(inner, `${path}.${key}`, found, legible);
}

/** The workflow id in a recorded history, as `temporal workflow show -o json` writes it: a run compares it with its argument. */
export function workflowIdOf(history: unknown): string {
  const [started] = (history as { events: { [attributes: string]: { workflowId?: string } }[] })
    .events;
  return started?.['workflowExecutionStartedEventAttributes']?.workflowId ?? '';
}
