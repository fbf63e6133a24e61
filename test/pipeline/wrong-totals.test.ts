/** Running totals that somebody edited: the run of reconciliation that looks for everything repairs them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { FAKE_USDC } from '../domain/build.ts';
import { dust } from '../db/dust.ts';
import { settleTogether } from '../support/settle.ts';
import { startReconciling, type Reconciling } from './reconciling.ts';

let it: Reconciling;
beforeAll(async () => {
  it = await startReconciling();
});
afterAll(() => it.close());

test('are found, forgotten and counted anew', async () => {
  const { id, memo } = await it.insert();
  await it.catchUp();
  const place = { account: it.shop.address, reference: memo };
  const asset = { assetCode: FAKE_USDC.code, assetIssuer: FAKE_USDC.issuer };
  await dust(it.database, place, { count: 200, ...asset });
  await settleTogether(it.database.pool, [id]);
  const counts = async () =>
    (
      await it.database.rows<{ counts: unknown }>(
        `SELECT totals->'counts' AS counts FROM settlement.session_totals WHERE session_id = $1`,
        [id],
      )
    )[0]?.counts;
  expect(await counts()).toEqual({ wrong_asset: 200 });
  const edit = `UPDATE settlement.session_totals SET totals = jsonb_set(totals, '{counts}', '{"wrong_asset": 7}')`;
  await it.database.rows(edit);
  const dry = (await it.reconcile({ dryRun: true })).wrong_totals;
  expect(dry).toMatchObject({ found: 1, left: 1 });
  expect(await counts()).toEqual({ wrong_asset: 7 });
  expect((await it.reconcile()).wrong_totals).toMatchObject({ found: 1, repaired: 1, left: 0 });
  expect(await counts()).toEqual({ wrong_asset: 200 });
  expect((await it.reconcile()).wrong_totals).toBeUndefined();
});
