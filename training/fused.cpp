// Fused bf16 kernels for CPU training: GroupNorm+SiLU, LayerNorm+modulation, RMSNorm+rope, tanh-gelu, gated sum, AdamW.
// Plain C interface (called through ctypes), float32 arithmetic inside; g++ vectorises the loops over channels.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>
typedef uint16_t bf;
static inline float up(bf x) { uint32_t u = (uint32_t)x << 16; float f; memcpy(&f, &u, 4); return f; }
static inline bf down(float f) { uint32_t u; memcpy(&u, &f, 4); return (bf)((u + 0x7fff + ((u >> 16) & 1)) >> 16); }
// Clamped: fast reciprocals of an infinite exponential would give NaN.
static inline float sigmoid(float x) { x = x < -40.f ? -40.f : x > 40.f ? 40.f : x; return 1.f / (1.f + expf(-x)); }

extern "C" {

// x, y: [B, HW, C] channels last; stats: [B, G, 2] mean and 1/std.
void group_norm_fwd(const bf* __restrict x, const float* w, const float* bias, bf* __restrict y, float* stats, int64_t B, int64_t HW, int64_t C,
                    int64_t G, float eps, int silu) {
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++) {
    const bf* __restrict xb = x + b * HW * C; bf* __restrict yb = y + b * HW * C;
    std::vector<float> s(C, 0.f), q(C, 0.f);
    float *__restrict sp = s.data(), *__restrict qp = q.data();
    for (int64_t p = 0; p < HW; p++)
      for (int64_t c = 0; c < C; c++) { float v = up(xb[p * C + c]); sp[c] += v; qp[c] += v * v; }
    int64_t n = C / G;
    for (int64_t g = 0; g < G; g++) {
      double a = 0, e = 0;
      for (int64_t c = g * n; c < (g + 1) * n; c++) { a += sp[c]; e += qp[c]; }
      double m = a / (n * HW), var = e / (n * HW) - m * m;
      float r = 1.0 / std::sqrt((var > 0 ? var : 0) + eps);
      stats[(b * G + g) * 2] = m; stats[(b * G + g) * 2 + 1] = r;
      for (int64_t c = g * n; c < (g + 1) * n; c++) { sp[c] = r * w[c]; qp[c] = bias[c] - (float)m * r * w[c]; }
    }
    if (silu)
      for (int64_t p = 0; p < HW; p++)
        for (int64_t c = 0; c < C; c++) { float h = up(xb[p * C + c]) * sp[c] + qp[c]; yb[p * C + c] = down(h * sigmoid(h)); }
    else
      for (int64_t p = 0; p < HW; p++)
        for (int64_t c = 0; c < C; c++) yb[p * C + c] = down(up(xb[p * C + c]) * sp[c] + qp[c]);
  }
}

// dw, db: [B, C] partial sums per picture.
void group_norm_bwd(const bf* __restrict x, const bf* __restrict dy, const float* w, const float* bias, const float* stats, bf* __restrict dx, float* dw,
                    float* db, int64_t B, int64_t HW, int64_t C, int64_t G, int silu) {
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++) {
    const bf *__restrict xb = x + b * HW * C, *__restrict gb = dy + b * HW * C; bf* __restrict ob = dx + b * HW * C;
    std::vector<float> mv(C), rv(C), k1(C), k2(C);
    float *__restrict m = mv.data(), *__restrict r = rv.data(), *__restrict a1 = k1.data(), *__restrict a2 = k2.data(), *__restrict sw = dw + b * C, *__restrict sb = db + b * C;
    int64_t n = C / G;
    for (int64_t c = 0; c < C; c++) { m[c] = stats[(b * G + c / n) * 2]; r[c] = stats[(b * G + c / n) * 2 + 1]; sw[c] = sb[c] = 0; }
    for (int64_t p = 0; p < HW; p++)
      for (int64_t c = 0; c < C; c++) {
        float xh = (up(xb[p * C + c]) - m[c]) * r[c], d = up(gb[p * C + c]);
        if (silu) { float h = xh * w[c] + bias[c], s = sigmoid(h); d *= s * (1 + h * (1 - s)); }
        ob[p * C + c] = down(d); sb[c] += d; sw[c] += d * xh;
      }
    for (int64_t g = 0; g < G; g++) {
      float t1 = 0, t2 = 0;
      for (int64_t c = g * n; c < (g + 1) * n; c++) { t1 += sb[c] * w[c]; t2 += sw[c] * w[c]; }
      for (int64_t c = g * n; c < (g + 1) * n; c++) { a1[c] = t1 / (n * HW); a2[c] = t2 / (n * HW); }
    }
    for (int64_t p = 0; p < HW; p++)
      for (int64_t c = 0; c < C; c++) {
        float xh = (up(xb[p * C + c]) - m[c]) * r[c];
        ob[p * C + c] = down(r[c] * (up(ob[p * C + c]) * w[c] - a1[c] - xh * a2[c]));
      }
  }
}
}
