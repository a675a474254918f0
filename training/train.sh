#!/bin/bash
# One resumable command: data, autoencoder, transformer, export. Run it again after an interruption and it goes on.
# Minutes of training time may be set: AE_MINUTES, TEXT_MINUTES, MINUTES, DECODER_MINUTES; PARTS is the number of 10,000-picture
# parts. Without checkpoints it starts from the shipped model's weights: AE_MINUTES=0 TEXT_MINUTES=0 trains only its transformer on.
set -e
cd "$(dirname "$0")/.."
. training/env.sh
mkdir -p training/.work
$PYTHON -m training.autoencoder --minutes "${AE_MINUTES:-25}"
[ -f training/.work/text.pt ] || [ "${TEXT_MINUTES:-9}" = 0 ] || $PYTHON -m training.text_lessons --minutes "${TEXT_MINUTES:-9}"
[ -f training/.work/unseen.pt ] || $PYTHON -m training.dataset --part -1
for ((part = 0; part < ${PARTS:-4}; part += 2)); do
  for p in $part $((part + 1)); do
    [ -f training/.work/part$(printf %02d "$p").pt ] || $PYTHON -m training.dataset --part "$p" --size 10000 &
  done
  wait
done
$PYTHON -m training.train_transformer --minutes "${MINUTES:-80}"
if [ "${DECODER_MINUTES:-4.5}" != 0 ]; then $PYTHON -m training.autoencoder --decoder-only --minutes "${DECODER_MINUTES:-4.5}" --lr 1e-3; fi
$PYTHON -m training.export
$PYTHON -m training.preview_map
