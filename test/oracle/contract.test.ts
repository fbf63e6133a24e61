/**
 * The sandbox ledger against the real Horizon 23, over the same history: same request, same answer. Where they differ
 * the sandbox is wrong, but for what `DIFFERENT` lists. With RECORD_HORIZON=1 the real answers are kept as fixtures.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { answerOf, type Answer } from './answer.ts';
import { copyHistory, reapBelow, tearGap } from './copy-history.ts';
import { createHorizonTables, startHorizon, type Horizon } from './horizon.ts';
import { binary, reality } from './reality.ts';
import { isRecording, record, recorded, recordedNames } from './recorded.ts';
import { AFTER_REAPING } from './requests-after-reaping.ts';
import { gapOf, OF_LEDGERS, OVER_A_GAP } from './requests-of-ledgers.ts';
import { REQUESTS as OTHERS } from './requests.ts';
import { play, type Scenario } from './scenario.ts';

/** Fields that are not the sandbox's to get right; `at` is a path into the answer. */
const DIFFERENT: readonly { path: RegExp; at: string; because: string }[] = [
  { path: /^\/+$/, at: 'body.horizon_version', because: 'the sandbox says what it is' },
  { path: /^\/+$/, at: 'body.core_version', because: 'no stellar-core stands behind either' },
  { path: /^\/+$/, at: 'body.core_latest_ledger', because: 'no stellar-core stands behind either' },
  { path: /^\/+$/, at: 'body.current_protocol_version', because: 'Horizon asks stellar-core' },
  {
    path: /^\/+$/,
    at: 'body.core_supported_protocol_version',
    because: 'Horizon asks stellar-core',
  },
  { path: /^\/+$/, at: 'body._links', because: 'the sandbox links to what it serves' },
];

const REQUESTS = [...OTHERS, ...OF_LEDGERS];

let scenario: Scenario;
let database: TestDatabase;
let horizon: Horizon;

async function both(path: string): Promise<{ sandbox: Answer; real: Answer }> {
  const [sandbox, real] = await Promise.all([
    answerOf(scenario.ledger.url, path),
    answerOf(horizon.url, path),
  ]);
  for (const different of DIFFERENT) {
    if (!different.path.test(path)) continue;
    for (const answer of [sandbox, real]) forget(answer, different.at);
  }
  return { sandbox, real };
}

function forget(answer: object, at: string): void {
  const [first = '', ...rest] = at.split('.');
  const part = answer as Record<string, unknown>;
  if (rest.length === 0) delete part[first];
  else forget(part[first] as object, rest.join('.'));
}

reality('the sandbox answers as the real Horizon does to', () => {
  beforeAll(async () => {
    [scenario, database] = await Promise.all([play(), createTestDatabase({ template: null })]);
    await createHorizonTables(binary, database.url);
    const { chain, networkPassphrase } = scenario.ledger;
    await copyHistory(chain, database.pool, scenario.dictated);
    horizon = await startHorizon(binary, database.url, networkPassphrase);
    await horizon.shows({ elder: 1, latest: scenario.latest });
  });

  afterAll(async () => {
    await horizon?.stop();
    await Promise.all([scenario?.ledger.stop(), database?.close()]);
  });

  test.each(REQUESTS)('$name', async ({ name, path, keep }) => {
    const asked = path(scenario);
    const { sandbox, real } = await both(asked);
    expect(sandbox).toEqual(real);
    if (keep !== true) return;
    const whole = await answerOf(horizon.url, asked);
    if (isRecording) record(name, asked, whole);
    // Differs after a change of the play: record again.
    expect(recorded(name)).toEqual({ path: asked, ...whole });
  });

  test('only its answers are kept as fixtures', () => {
    const asked = REQUESTS.filter(({ keep }) => keep).map(({ path }) => path(scenario));
    const kept = recordedNames().map((name) => recorded(name)?.path);
    expect(new Set(kept)).toEqual(new Set(asked));
    expect(kept).toHaveLength(asked.length);
  });

  describe('requests about what was never ingested', () => {
    let ends: readonly [number, number];
    let putBack: () => Promise<void>;
    beforeAll(async () => {
      ends = gapOf(scenario);
      scenario.ledger.nodes.set([{ name: 'torn', gaps: [ends] }]);
      putBack = await tearGap(database.pool, ends);
    });

    afterAll(async () => {
      scenario.ledger.nodes.clear();
      await putBack();
    });

    test.each(OVER_A_GAP)('$name', async ({ path }) => {
      const { sandbox, real } = await both(path(scenario));
      expect(sandbox).toEqual(real);
    });
  });

  describe('requests about what was reaped', () => {
    let elder: number;
    beforeAll(async () => {
      elder = scenario.ledger.chain.history.transaction(scenario.hashes.get('merge') ?? '')?.ledger
        .sequence as number;
      scenario.ledger.reapBelow(elder);
      await reapBelow(database.pool, elder);
      await horizon.shows({ elder, latest: scenario.latest });
    });

    test.each(AFTER_REAPING)('$name', async ({ path }) => {
      const { sandbox, real } = await both(path(scenario));
      expect(sandbox).toEqual(real);
    });
  });
});
