// Fused kernels for the transformer blocks and the optimiser; compiled together with fused.cpp.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>
typedef uint16_t bf;
static inline float up(bf x) { uint32_t u = (uint32_t)x << 16; float f; memcpy(&f, &u, 4); return f; }
static inline bf down(float f) { uint32_t u; memcpy(&u, &f, 4); return (bf)((u + 0x7fff + ((u >> 16) & 1)) >> 16); }
// Clamped: fast reciprocals of an infinite exponential would give NaN.
static inline float sigmoid(float x) { x = x < -40.f ? -40.f : x > 40.f ? 40.f : x; return 1.f / (1.f + expf(-x)); }
static const float K1 = 1.5957691216057308f, K2 = 0.044715f;

extern "C" {

void gelu_fwd(const bf* __restrict x, bf* __restrict y, int64_t n) {
#pragma omp parallel for
  for (int64_t block = 0; block < n; block += 8192) {
    int64_t end = block + 8192 < n ? block + 8192 : n;
    for (int64_t i = block; i < end; i++) { float v = up(x[i]); y[i] = down(v * sigmoid(K1 * (v + K2 * v * v * v))); }
  }
}

void gelu_bwd(const bf* __restrict x, const bf* __restrict dy, bf* __restrict dx, int64_t n) {
#pragma omp parallel for
  for (int64_t block = 0; block < n; block += 8192) {
    int64_t end = block + 8192 < n ? block + 8192 : n;
    for (int64_t i = block; i < end; i++) {
      float v = up(x[i]), s = sigmoid(K1 * (v + K2 * v * v * v));
      dx[i] = down(up(dy[i]) * (s + v * s * (1 - s) * K1 * (1 + 3 * K2 * v * v)));
    }
  }
}

// LayerNorm (no affine), times 1 + scale, plus shift. x [B, N, D] float32; shift, scale [B, D]; y bf16; stats [B, N, 2].
void modulate_fwd(const float* x, const float* shift, const float* scale, bf* y, float* stats, int64_t B, int64_t N, int64_t D) {
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++) {
    const float *__restrict sh = shift + b * D, *__restrict sc = scale + b * D;
    for (int64_t n = 0; n < N; n++) {
      const float* __restrict r = x + (b * N + n) * D; bf* __restrict o = y + (b * N + n) * D;
      float s = 0, q = 0;
      for (int64_t i = 0; i < D; i++) s += r[i];
      float m = s / D;
      for (int64_t i = 0; i < D; i++) { float v = r[i] - m; q += v * v; }
      float k = 1.f / std::sqrt(q / D + 1e-6f);
      stats[(b * N + n) * 2] = m; stats[(b * N + n) * 2 + 1] = k;
      for (int64_t i = 0; i < D; i++) o[i] = down((r[i] - m) * k * (1 + sc[i]) + sh[i]);
    }
  }
}

void modulate_bwd(const float* x, const float* scale, const float* stats, const bf* dy, float* dx, float* dshift, float* dscale,
                  int64_t B, int64_t N, int64_t D) {
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++) {
    const float* __restrict sc = scale + b * D; float *__restrict ds = dshift + b * D, *__restrict dc = dscale + b * D;
    std::vector<float> buffer(2 * D); float *__restrict h = buffer.data(), *__restrict g = h + D;
    for (int64_t i = 0; i < D; i++) ds[i] = dc[i] = 0;
    for (int64_t n = 0; n < N; n++) {
      const float* __restrict r = x + (b * N + n) * D; const bf* __restrict e = dy + (b * N + n) * D;
      float* __restrict o = dx + (b * N + n) * D;
      float m = stats[(b * N + n) * 2], k = stats[(b * N + n) * 2 + 1], t1 = 0, t2 = 0;
      for (int64_t i = 0; i < D; i++) {
        float d = up(e[i]), xh = (r[i] - m) * k, gi = d * (1 + sc[i]);
        h[i] = xh; g[i] = gi; ds[i] += d; dc[i] += d * xh; t1 += gi; t2 += gi * xh;
      }
      t1 /= D; t2 /= D;
      for (int64_t i = 0; i < D; i++) o[i] = k * (g[i] - t1 - h[i] * t2);
    }
  }
}

// out = x + gate * y. x, out [B, N, D] float32; gate [B, D]; y bf16.
void gated_fwd(const float* x, const float* gate, const bf* y, float* out, int64_t B, int64_t N, int64_t D) {
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++)
    for (int64_t n = 0; n < N; n++) {
      const float *__restrict g = gate + b * D, *__restrict r = x + (b * N + n) * D;
      const bf* __restrict v = y + (b * N + n) * D; float* __restrict o = out + (b * N + n) * D;
      for (int64_t i = 0; i < D; i++) o[i] = r[i] + g[i] * up(v[i]);
    }
}

void gated_bwd(const float* dout, const float* gate, const bf* y, bf* dy, float* dgate, int64_t B, int64_t N, int64_t D) {
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++) {
    const float* __restrict g = gate + b * D; float* __restrict dg = dgate + b * D;
    for (int64_t i = 0; i < D; i++) dg[i] = 0;
    for (int64_t n = 0; n < N; n++) {
      const float* __restrict e = dout + (b * N + n) * D; const bf* __restrict v = y + (b * N + n) * D;
      bf* __restrict o = dy + (b * N + n) * D;
      for (int64_t i = 0; i < D; i++) { o[i] = down(g[i] * e[i]); dg[i] += e[i] * up(v[i]); }
    }
  }
}

// RMS norm per head times weight and factor, then rotation of interleaved pairs. x [B, N, H, d] bf16 -> y [B, H, N, d] bf16.
void norm_rope_fwd(const bf* x, const float* w, const float* cosine, const float* sine, bf* y, int64_t B, int64_t N, int64_t H,
                   int64_t d, float factor) {
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++)
    for (int64_t n = 0; n < N; n++)
      for (int64_t h = 0; h < H; h++) {
        const bf* __restrict r = x + ((b * N + n) * H + h) * d; bf* __restrict o = y + ((b * H + h) * N + n) * d;
        const float *__restrict c = cosine + n * d / 2, *__restrict s = sine + n * d / 2;
        float q = 0;
        for (int64_t i = 0; i < d; i++) q += up(r[i]) * up(r[i]);
        float k = factor / std::sqrt(q / d + 1e-6f);
        for (int64_t i = 0; i < d / 2; i++) {
          float u = up(r[2 * i]) * w[2 * i] * k, v = up(r[2 * i + 1]) * w[2 * i + 1] * k;
          o[2 * i] = down(u * c[i] - v * s[i]); o[2 * i + 1] = down(v * c[i] + u * s[i]);
        }
      }
}

// dw: [B, d] partial sums.
void norm_rope_bwd(const bf* x, const float* w, const float* cosine, const float* sine, const bf* dy, bf* dx, float* dw,
                   int64_t B, int64_t N, int64_t H, int64_t d, float factor) {
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++) {
    float gbuf[256], xbuf[256]; float *__restrict g = gbuf, *__restrict xf = xbuf, *__restrict a = dw + b * d;
    for (int64_t i = 0; i < d; i++) a[i] = 0;
    for (int64_t n = 0; n < N; n++)
      for (int64_t h = 0; h < H; h++) {
        const bf* __restrict r = x + ((b * N + n) * H + h) * d; const bf* __restrict e = dy + ((b * H + h) * N + n) * d;
        bf* __restrict o = dx + ((b * N + n) * H + h) * d;
        const float *__restrict c = cosine + n * d / 2, *__restrict s = sine + n * d / 2;
        float q = 0, t = 0;
        for (int64_t i = 0; i < d; i++) { xf[i] = up(r[i]); q += xf[i] * xf[i]; }
        float k = 1.f / std::sqrt(q / d + 1e-6f);
        for (int64_t i = 0; i < d / 2; i++) {
          float u = up(e[2 * i]) * factor, v = up(e[2 * i + 1]) * factor;
          g[2 * i] = u * c[i] + v * s[i]; g[2 * i + 1] = v * c[i] - u * s[i];
        }
        for (int64_t i = 0; i < d; i++) { float xh = xf[i] * k; a[i] += g[i] * xh; g[i] *= w[i]; xf[i] = xh; t += g[i] * xh; }
        t /= d;
        for (int64_t i = 0; i < d; i++) o[i] = down(k * (g[i] - xf[i] * t));
      }
  }
}

// One AdamW step on one tensor, and its moving average.
void adamw(float* __restrict p, const float* __restrict g, float* __restrict m, float* __restrict v, float* __restrict e, int64_t n,
           float lr, float b1, float b2, float eps, float decay, float c1, float c2, float scale, float keep) {
#pragma omp parallel for
  for (int64_t block = 0; block < n; block += 16384) {
    int64_t end = block + 16384 < n ? block + 16384 : n;
    for (int64_t i = block; i < end; i++) {
      float d = g[i] * scale, mi = m[i] * b1 + d * (1 - b1), vi = v[i] * b2 + d * d * (1 - b2);
      m[i] = mi; v[i] = vi;
      float pi = p[i] * (1 - lr * decay) - lr * (mi * c1) / (std::sqrt(vi * c2) + eps);
      p[i] = pi; e[i] = e[i] * keep + pi * (1 - keep);
    }
  }
}
}

extern "C" {

// Muon: m = beta * m + g * scale; out = g * scale + beta * m (Nesterov), written as bf16.
void muon_moment(const float* __restrict g, float* __restrict m, bf* __restrict out, int64_t n, float scale, float beta) {
#pragma omp parallel for
  for (int64_t block = 0; block < n; block += 16384) {
    int64_t end = block + 16384 < n ? block + 16384 : n;
    for (int64_t i = block; i < end; i++) { float d = g[i] * scale; m[i] = beta * m[i] + d; out[i] = down(d + beta * m[i]); }
  }
}

// x = a * x + b * y, both bf16.
void axpby(bf* __restrict x, const bf* __restrict y, int64_t n, float a, float b) {
#pragma omp parallel for
  for (int64_t block = 0; block < n; block += 16384) {
    int64_t end = block + 16384 < n ? block + 16384 : n;
    for (int64_t i = block; i < end; i++) x[i] = down(a * up(x[i]) + b * up(y[i]));
  }
}

// p = p * shrink - rate * u; average e.
void muon_apply(float* __restrict p, const bf* __restrict u, float* __restrict e, int64_t n, float rate, float shrink, float keep) {
#pragma omp parallel for
  for (int64_t block = 0; block < n; block += 16384) {
    int64_t end = block + 16384 < n ? block + 16384 : n;
    for (int64_t i = block; i < end; i++) { float v = p[i] * shrink - rate * up(u[i]); p[i] = v; e[i] = e[i] * keep + v * (1 - keep); }
  }
}
}
