// Prevents pages that pass because nothing was looked at: axe must have examined something, and finds nothing
// serious.
import assert from 'node:assert/strict';
import axe from 'axe-core';
import { addressOf } from './steps.mjs';

export async function checkWithAxe(page) {
  // The text is evaluated by the debugger, which the page's policy does not bind.
  await page.evaluate(axe.source);
  const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  assert.ok(result.passes.length > 0, 'axe examined nothing');
  const grave = result.violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, impact, help, nodes }) =>
      `${impact} ${id}: ${help}\n${nodes.map(({ target, html }) => `  ${target}  ${html}`).join('\n')}`);
  assert.equal(grave.length, 0, `axe on ${addressOf(page)}:\n${grave.join('\n')}`);
}
