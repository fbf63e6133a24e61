/** What a person sees of the demo. */
import Table from 'cli-table3';
import type { AuditReport } from '../../db/audit.ts';
import type { SessionView } from '../../client.ts';
import type { Received } from '../receiver.ts';
import type { Scene } from './scenes.ts';
import type { Stage } from './stage.ts';

/** How one scene ended. */
export type Ending = {
  readonly scene: Scene;
  readonly sessionId: string;
  readonly view: SessionView | null;
  readonly webhooks: readonly Received[];
};

const plain = { head: [], border: [] };

/** One row for each scene: what was paid, what became of it, who was told, and why. */
export function table(endings: readonly Ending[]): string {
  const rows = new Table({
    head: ['session', 'what was paid', 'outcome', 'webhooks received', 'why', ''],
    colWidths: [26, 22, 26, 26, 32, 10],
    wordWrap: true,
    style: plain,
  });
  for (const ending of endings) {
    const { scene, sessionId, view, webhooks } = ending;
    const verdicts = view?.payments.map(({ verdict }) => verdict).sort() ?? [];
    const wrong = problemsOf(ending);
    rows.push([
      `${scene.title}\n${sessionId.slice(0, 8)}…`,
      scene.paid,
      [view?.status ?? 'unknown', ...verdicts.map((v) => `· ${v}`)].join('\n'),
      [...new Set(told(webhooks))].join('\n'),
      wrong.length === 0 ? scene.why : wrong.join('; '),
      wrong.length === 0 ? 'as it should' : 'WRONG',
    ]);
  }
  return rows.toString();
}

/** Where the outcome differs from what it must be; empty when all is right. */
export function problemsOf({ scene, view, webhooks }: Ending): string[] {
  const { status, verdicts, events } = scene.expected;
  const found = view?.payments.map(({ verdict }) => verdict).sort() ?? [];
  const compare = (what: string, is: string, must: string) =>
    is === must ? [] : [`${what} ${is || 'nothing'}, expected ${must || 'nothing'}`];
  return [
    ...compare('status', view?.status ?? 'unknown', status),
    ...compare('verdicts', found.join(', '), verdicts.join(', ')),
    ...compare('webhooks', told(webhooks).join(', '), events.join(', ')),
  ];
}

/** The events that were told, each once: the same event sent again after a crash is the same event. */
function told(webhooks: readonly Received[]): string[] {
  const byDelivery = new Map(webhooks.map((post) => [post.deliveryId, post.event]));
  return [...byDelivery.values()].sort();
}

/** The audit in words. */
export function auditLines({ sessions, ledgerPayments, events, findings }: AuditReport): string {
  const scope = `${sessions} sessions, ${ledgerPayments} ledger payments, ${events} events`;
  if (findings.length === 0) return `Audit: P1, P2, P3 and P4 hold for ${scope}.`;
  const list = findings.map((f) => `  ${f.promise} ${f.subject}: ${f.problem}`).join('\n');
  return `Audit: ${findings.length} promise(s) broken in ${scope}:\n${list}`;
}

/** Where to look. */
export function places(stage: Stage): string {
  const query = encodeURIComponent('WorkflowType="checkoutSession"');
  return [
    ...(stage.temporalUi === null
      ? [`Temporal            ${stage.temporalAddress}`]
      : [
          `Temporal UI         ${stage.temporalUi}/namespaces/default/workflows?query=${query}`,
          `Temporal            ${stage.temporalAddress}`,
        ]),
    `Horizon             ${stage.horizonUrl}`,
    `PostgreSQL          ${stage.databaseUrl}`,
    `Worker's log        ${stage.logFile}`,
  ].join('\n');
}

/** What to try while everything keeps running. `file` tells where the sandbox is. */
export function thingsToTry(stage: Stage, file: string): string {
  const { temporalAddress, databaseUrl, horizonUrl, networkPassphrase } = stage;
  return [
    'Everything keeps running; Ctrl-C ends it. In another terminal:',
    `  export TEMPORAL_ADDRESS=${temporalAddress} DATABASE_URL=${databaseUrl}`,
    `  export HORIZON_URL=${horizonUrl} NETWORK_PASSPHRASE='${networkPassphrase}'`,
    `  export SETTLE_SANDBOX=${file}`,
    '  npm run settle -- trigger over        (or: trigger --help)',
    '  npm run settle -- listen --forward-to http://127.0.0.1:3000/webhooks',
    '  npm run settle -- status',
    '  npm run settle -- reconcile --dry-run',
    '  npm run settle -- payments held',
    '  npm run settle -- payments why <tx hash>',
    '  npm run settle -- session show <session id>',
    '  npm run settle -- audit',
  ].join('\n');
}
