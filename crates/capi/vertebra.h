/*
 * Vertebra for programs in C: X-ray classifiers on a CPU. Research use only, not a medical device.
 *
 * Made by cbindgen from crates/capi/src. Link libvertebra.so or libvertebra.a; examples/c/classify.c is a whole
 * program.
 *
 * Every function that can fail gives a VertebraStatus, and vertebra_last_error() says why in words. Nothing here ends
 * the process, prints, or lets a panic through. A model may be used from several threads: they wait for each other,
 * while images of all of them are read. For predictions at the same time, open it once a thread, each with one thread
 * of its own.
 */

#ifndef VERTEBRA_H
#define VERTEBRA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * How a call ended.
 */
typedef enum {
  /**
   * As it should.
   */
  VERTEBRA_STATUS_OK = 0,
  /**
   * A model, an image or the system is not as it must be.
   */
  VERTEBRA_STATUS_FAILED = 1,
  /**
   * An argument is not one that can be given: a null pointer, too little room, a class that is not there.
   */
  VERTEBRA_STATUS_ARGUMENT = 2,
  /**
   * A fault of this library's. The model is as good as before.
   */
  VERTEBRA_STATUS_FAULT = 3,
} VertebraStatus;

/**
 * What is decided of an image.
 */
typedef enum {
  /**
   * The other class of two; of findings: none is called.
   */
  VERTEBRA_DECISION_NEGATIVE = 0,
  /**
   * The positive class of two, at the model's threshold; of findings: one or more are called.
   */
  VERTEBRA_DECISION_POSITIVE = 1,
  /**
   * With more than two classes there is no such decision: the most probable class is called.
   */
  VERTEBRA_DECISION_MOST_PROBABLE = 2,
} VertebraDecision;

/**
 * A model that is ready to predict, with threads of its own.
 */
typedef struct VertebraModel VertebraModel;

/**
 * What the network reads, after the model's own preprocessing.
 */
typedef struct {
  /**
   * Rows.
   */
  size_t height;
  /**
   * Columns.
   */
  size_t width;
  /**
   * 1 (gray) or 3 (red, green, blue).
   */
  size_t channels;
} VertebraShape;

/**
 * What a model says of an image. Research use only, not a medical device.
 */
typedef struct {
  /**
   * The number of the class that is called; of findings, of the most probable one.
   */
  size_t label;
  /**
   * Its probability.
   */
  double probability;
  /**
   * Positive or negative.
   */
  VertebraDecision decision;
} VertebraPrediction;

/**
 * What a model says of one class, or finding.
 */
typedef struct {
  /**
   * Between 0 and 1. Those of classes sum to 1, those of findings need not.
   */
  double probability;
  /**
   * Whether it is called.
   */
  bool called;
} VertebraAnswer;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * What the last call on this thread that failed said, in UTF-8: what was expected and what was found. Empty if none
 * failed. The text is there until another call on this thread fails.
 */
const char *vertebra_last_error(void);

/**
 * The version of this library, such as "0.1.0".
 */
const char *vertebra_version(void);

/**
 * Opens the model at `path`, a file or a run folder, whose best model is taken. It works on `threads` threads of its
 * own; 0 means one a core. `*model` is to be given to vertebra_close(); it is NULL where this fails.
 *
 * # Safety
 * `path` is a text that ends with a null, and `model` is a place for a pointer.
 */
VertebraStatus vertebra_open(const char *path,
                             size_t threads,
                             VertebraModel **model);

/**
 * The same from the `length` bytes of a model file, which are not needed any more when this returns.
 *
 * # Safety
 * `bytes` are `length` bytes, and `model` is a place for a pointer.
 */
VertebraStatus vertebra_open_memory(const uint8_t *bytes,
                                    size_t length,
                                    size_t threads,
                                    VertebraModel **model);

/**
 * Closes a model and ends its threads. NULL is nothing to close.
 *
 * # Safety
 * `model` is NULL, or was opened and is not used any more, by no thread.
 */
void vertebra_close(VertebraModel *model);

/**
 * How many classes, or findings, the model has; 0 for NULL.
 *
 * # Safety
 * `model` is NULL or open.
 */
size_t vertebra_classes(const VertebraModel *model);

/**
 * The name of a class, or finding, counted from 0, in UTF-8, for as long as the model is open; NULL if there is none.
 *
 * # Safety
 * `model` is NULL or open.
 */
const char *vertebra_class_name(const VertebraModel *model,
                                size_t at);

/**
 * Whether an image has several findings, each there or not, instead of one class.
 *
 * # Safety
 * `model` is NULL or open.
 */
bool vertebra_has_findings(const VertebraModel *model);

/**
 * What the network reads. Images may have any size: they are resized as the model was trained. All 0 for NULL.
 *
 * # Safety
 * `model` is NULL or open.
 */
VertebraShape vertebra_input(const VertebraModel *model);

/**
 * The number of the positive class of two; SIZE_MAX where there is none: with more classes, and with findings.
 *
 * # Safety
 * `model` is NULL or open.
 */
size_t vertebra_positive(const VertebraModel *model);

/**
 * From which probability on the positive class of two, or a finding, is called; NaN for other classes.
 *
 * # Safety
 * `model` is NULL or open.
 */
double vertebra_threshold(const VertebraModel *model, size_t at);

/**
 * Classifies `height * width * channels` samples of 8 bits, row by row, the channels of a pixel (1: gray, 3: red,
 * green, blue) side by side; 0 is black, 255 white. The image is resized and scaled as the model was trained.
 *
 * `answers` is NULL, or has room for `room` answers, of which as many are written as the model has classes.
 *
 * # Safety
 * `model` is open; `samples` are as many as the sides say; `prediction` is a place for one, and `answers` is NULL or
 * has that room.
 */
VertebraStatus vertebra_predict_u8(const VertebraModel *model,
                                   const uint8_t *samples,
                                   size_t height,
                                   size_t width,
                                   size_t channels,
                                   VertebraPrediction *prediction,
                                   VertebraAnswer *answers,
                                   size_t room);

/**
 * The same of samples of 16 bits; 0 is black, 65535 white. Gray is seen through the model's window, if it has one.
 *
 * # Safety
 * As vertebra_predict_u8().
 */
VertebraStatus vertebra_predict_u16(const VertebraModel *model,
                                    const uint16_t *samples,
                                    size_t height,
                                    size_t width,
                                    size_t channels,
                                    VertebraPrediction *prediction,
                                    VertebraAnswer *answers,
                                    size_t room);

/**
 * The same of samples between 0 (black) and 1 (white); any other number is an error.
 *
 * # Safety
 * As vertebra_predict_u8().
 */
VertebraStatus vertebra_predict_f32(const VertebraModel *model,
                                    const float *samples,
                                    size_t height,
                                    size_t width,
                                    size_t channels,
                                    VertebraPrediction *prediction,
                                    VertebraAnswer *answers,
                                    size_t room);

/**
 * The same of a gray image of values in their own units, such as Hounsfield units, seen through the model's window; a
 * model without one is an error.
 *
 * # Safety
 * `model` is open; `values` are `height * width`; `prediction` is a place for one, and `answers` is NULL or has that
 * room.
 */
VertebraStatus vertebra_predict_values(const VertebraModel *model,
                                       const float *values,
                                       size_t height,
                                       size_t width,
                                       VertebraPrediction *prediction,
                                       VertebraAnswer *answers,
                                       size_t room);

/**
 * The same of the `length` bytes of a PNG, JPEG or DICOM file; the content tells which.
 *
 * # Safety
 * `model` is open; `bytes` are `length` bytes; `prediction` is a place for one, and `answers` is NULL or has that
 * room.
 */
VertebraStatus vertebra_predict_encoded(const VertebraModel *model,
                                        const uint8_t *bytes,
                                        size_t length,
                                        VertebraPrediction *prediction,
                                        VertebraAnswer *answers,
                                        size_t room);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* VERTEBRA_H */
