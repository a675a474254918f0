import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Generous, since others may keep the cores busy; what has to be quick says so itself.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // Two cores, and many tests start real processes: more files at once only makes them wait for each other.
    maxWorkers: 2,
  },
})
