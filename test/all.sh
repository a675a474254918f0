#!/usr/bin/env bash
# Everything that must hold before a change is merged, in order of cost; prints "N passed, N failed" last.
set -u
cd "$(dirname "$0")/.."
passed=0
failed=0
stage() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  if "$@"; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    printf '== %s failed\n' "$name"
  fi
}
stage format npx prettier --check .
stage lint npx eslint .
stage types npx tsc -p tsconfig.json
stage build npm run --silent build
report=$(mktemp)
stage tests npx vitest run --reporter=default --reporter=json --outputFile.json="$report"
# The stage "tests" is counted by its tests, the others as one each.
node -e '
  const [passed, failed, path] = process.argv.slice(1)
  let tests = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, success: false }
  try { tests = JSON.parse(require("node:fs").readFileSync(path, "utf8")) } catch {}
  const stageFailed = tests.success ? 0 : tests.numFailedTests > 0 ? 1 : 0
  const ok = Number(passed) - (tests.success ? 1 : 0) + tests.numPassedTests
  const bad = Number(failed) - stageFailed + tests.numFailedTests
  const skipped = tests.numPendingTests > 0 ? `, ${tests.numPendingTests} skipped` : ""
  console.log(`${ok} passed, ${bad} failed${skipped}`)
  process.exit(bad > 0 ? 1 : 0)
' "$passed" "$failed" "$report"
