/** Builds the editor into client/dist; litegraph.js loses its one `eval` on the way. */
import { defineConfig, type Plugin } from 'vite'

const CALL = 'v = eval(v);'

/** The number widget of litegraph.js evaluates what is typed. The editor never opens it; here the call itself goes. */
function withoutEval(): Plugin {
  return {
    name: 'litegraph-without-eval',
    enforce: 'pre',
    transform(code, id) {
      if (!id.includes('litegraph.core')) return null
      const parts = code.split(CALL)
      if (parts.length !== 2) throw new Error(`litegraph.js: expected one '${CALL}', found ${parts.length - 1}`)
      return { code: parts.join('v = Number(v);'), map: null }
    },
  }
}

export default defineConfig({
  root: import.meta.dirname,
  base: './',
  plugins: [withoutEval()],
  build: { outDir: 'dist', emptyOutDir: true, target: 'es2022', sourcemap: false, assetsInlineLimit: 0 },
})
