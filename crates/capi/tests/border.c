/*
 * What crosses the border and what must not, for tools/check_capi.sh: border MODEL IMAGE. The model has two classes;
 * the image is a gray PNG. Every check that fails is named, and the status is 1.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vertebra.h"

static int failures = 0;

#define CHECK(claim)                                             \
    do {                                                         \
        if (!(claim)) {                                          \
            fprintf(stderr, "line %d: not %s\n", __LINE__, #claim); \
            failures++;                                          \
        }                                                        \
    } while (0)

#define SAYS(part) CHECK(strstr(vertebra_last_error(), part) != NULL)

enum { SIDE = 96, CLASSES = 2 };

static VertebraModel *shared;
static unsigned char gray[SIDE * SIDE];

static void *in_a_thread(void *answers)
{
    VertebraPrediction found;

    /* An error of the other thread is not this one's. */
    CHECK(strcmp(vertebra_last_error(), "") == 0);
    for (int times = 0; times < 3; times++) {
        CHECK(vertebra_predict_u8(shared, gray, SIDE, SIDE, 1, &found, answers, CLASSES) == VERTEBRA_STATUS_OK);
    }
    CHECK(vertebra_predict_u8(shared, gray, SIDE, SIDE, 2, &found, NULL, 0) == VERTEBRA_STATUS_FAILED);
    SAYS("1 or 3 channels");
    return NULL;
}

static unsigned char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = malloc(1 << 24);

    *length = fread(bytes, 1, 1 << 24, file);
    fclose(file);
    return bytes;
}

static void the_same_answer_by_every_way(VertebraModel *model)
{
    VertebraPrediction found[4];
    VertebraAnswer answers[4][CLASSES];
    static uint16_t deep[SIDE * SIDE];
    static float unit[SIDE * SIDE];
    static unsigned char colour[SIDE * SIDE * 3];

    for (int at = 0; at < SIDE * SIDE; at++) {
        gray[at] = (unsigned char)(at * 7 % 251);
        deep[at] = (uint16_t)(257 * gray[at]);
        unit[at] = gray[at] / 255.0f;
        colour[3 * at] = colour[3 * at + 1] = colour[3 * at + 2] = gray[at];
    }
    CHECK(vertebra_predict_u8(model, gray, SIDE, SIDE, 1, &found[0], answers[0], CLASSES) == VERTEBRA_STATUS_OK);
    CHECK(vertebra_predict_u16(model, deep, SIDE, SIDE, 1, &found[1], answers[1], CLASSES) == VERTEBRA_STATUS_OK);
    CHECK(vertebra_predict_f32(model, unit, SIDE, SIDE, 1, &found[2], answers[2], CLASSES) == VERTEBRA_STATUS_OK);
    CHECK(vertebra_predict_u8(model, colour, SIDE, SIDE, 3, &found[3], answers[3], CLASSES) == VERTEBRA_STATUS_OK);
    CHECK(fabs(answers[0][0].probability + answers[0][1].probability - 1.0) < 1e-12);
    CHECK(answers[0][0].called != answers[0][1].called);
    CHECK(answers[0][found[0].label].called && answers[0][found[0].label].probability == found[0].probability);
    for (int way = 1; way < 4; way++) {
        /* Samples between 0 and 1 are rounded as floats are. */
        CHECK(fabs(answers[way][0].probability - answers[0][0].probability) <= (way == 2 ? 1e-5 : 0.0));
        CHECK(found[way].label == found[0].label && found[way].decision == found[0].decision);
    }
}

static void the_decision_is_that_of_the_threshold(VertebraModel *model)
{
    VertebraPrediction found;
    VertebraAnswer answers[CLASSES];
    size_t positive = vertebra_positive(model);

    CHECK(positive < CLASSES && !vertebra_has_findings(model));
    CHECK(isnan(vertebra_threshold(model, 1 - positive)) && isnan(vertebra_threshold(model, 7)));
    CHECK(vertebra_predict_u8(model, gray, SIDE, SIDE, 1, &found, answers, CLASSES) == VERTEBRA_STATUS_OK);
    CHECK((answers[positive].probability >= vertebra_threshold(model, positive)) ==
          (found.decision == VERTEBRA_DECISION_POSITIVE));
    CHECK((found.label == positive) == (found.decision == VERTEBRA_DECISION_POSITIVE));
}

static void what_is_wrong_is_said(VertebraModel *model, unsigned char *bytes, size_t length)
{
    VertebraModel *none = model;
    VertebraPrediction found;
    VertebraAnswer answers[CLASSES];
    float out_of_range[1] = {255.0f};

    CHECK(vertebra_open(NULL, 1, &none) == VERTEBRA_STATUS_ARGUMENT && none == NULL);
    SAYS("path: expected a pointer, found NULL");
    CHECK(vertebra_open("no such file", 1, NULL) == VERTEBRA_STATUS_ARGUMENT);
    CHECK(vertebra_open("no such file", 1, &none) == VERTEBRA_STATUS_FAILED && none == NULL);
    SAYS("no such file");
    CHECK(vertebra_open_memory(bytes, 0, 1, &none) == VERTEBRA_STATUS_FAILED);
    CHECK(vertebra_open_memory(NULL, 1, 1, &none) == VERTEBRA_STATUS_ARGUMENT);
    CHECK(vertebra_open_memory(bytes, length, 1, &none) == VERTEBRA_STATUS_FAILED && none == NULL);
    CHECK(vertebra_predict_u8(NULL, gray, SIDE, SIDE, 1, &found, NULL, 0) == VERTEBRA_STATUS_ARGUMENT);
    CHECK(vertebra_predict_u8(model, NULL, SIDE, SIDE, 1, &found, NULL, 0) == VERTEBRA_STATUS_ARGUMENT);
    CHECK(vertebra_predict_u8(model, gray, SIDE, SIDE, 1, NULL, NULL, 0) == VERTEBRA_STATUS_ARGUMENT);
    SAYS("prediction: expected a pointer, found NULL");
    CHECK(vertebra_predict_u8(model, gray, SIDE, SIDE, 1, &found, answers, 1) == VERTEBRA_STATUS_ARGUMENT);
    SAYS("room: expected 2 or more, one for each class, found 1");
    CHECK(vertebra_predict_u8(model, gray, 0, SIDE, 1, &found, NULL, 0) == VERTEBRA_STATUS_FAILED);
    CHECK(vertebra_predict_u8(model, gray, SIZE_MAX, 2, 1, &found, NULL, 0) == VERTEBRA_STATUS_ARGUMENT);
    CHECK(vertebra_predict_u16(model, (const uint16_t *)gray, SIZE_MAX / 2, 1, 1, &found, NULL, 0) ==
          VERTEBRA_STATUS_ARGUMENT);
    SAYS("fewer values than memory can hold");
    CHECK(vertebra_predict_f32(model, out_of_range, 1, 1, 1, &found, NULL, 0) == VERTEBRA_STATUS_FAILED);
    SAYS("samples between 0 and 1, found 255");
    CHECK(vertebra_predict_values(model, out_of_range, 1, 1, &found, NULL, 0) == VERTEBRA_STATUS_ARGUMENT);
    SAYS("model: expected one with a window");
    CHECK(vertebra_predict_encoded(model, bytes, 0, &found, NULL, 0) == VERTEBRA_STATUS_FAILED);
    CHECK(vertebra_classes(NULL) == 0 && vertebra_class_name(NULL, 0) == NULL);
    CHECK(vertebra_class_name(model, CLASSES) == NULL && vertebra_input(NULL).height == 0);
    CHECK(vertebra_positive(NULL) == SIZE_MAX && isnan(vertebra_threshold(NULL, 0)));
    vertebra_close(NULL);
    /* Every byte of an image in turn is another. */
    for (size_t at = 0; at < length; at += 1 + length / 64) {
        bytes[at] ^= 0x5a;
        (void)vertebra_predict_encoded(model, bytes, length, &found, answers, CLASSES);
        bytes[at] ^= 0x5a;
    }
    /* The model is as good as before. */
    CHECK(vertebra_predict_encoded(model, bytes, length, &found, answers, CLASSES) == VERTEBRA_STATUS_OK);
}

int main(int argc, char **argv)
{
    VertebraModel *again = NULL;
    VertebraAnswer answers[3][CLASSES];
    pthread_t threads[2];
    size_t length, image_length;
    unsigned char *file, *image;

    if (argc != 3) {
        return 2;
    }
    file = read_file(argv[1], &length);
    image = read_file(argv[2], &image_length);
    CHECK(strcmp(vertebra_last_error(), "") == 0 && vertebra_version()[0] != 0);
    CHECK(vertebra_open(argv[1], 2, &shared) == VERTEBRA_STATUS_OK);
    CHECK(vertebra_open_memory(file, length, 1, &again) == VERTEBRA_STATUS_OK);
    CHECK(vertebra_classes(shared) == CLASSES && vertebra_input(shared).channels == 1);
    the_same_answer_by_every_way(shared);
    the_decision_is_that_of_the_threshold(shared);
    what_is_wrong_is_said(shared, image, image_length);

    /* Two threads and one model; then another of the same bytes: the same bits. */
    for (int at = 0; at < 2; at++) {
        CHECK(pthread_create(&threads[at], NULL, in_a_thread, answers[at]) == 0);
    }
    for (int at = 0; at < 2; at++) {
        pthread_join(threads[at], NULL);
    }
    {
        VertebraPrediction found;

        CHECK(vertebra_predict_u8(again, gray, SIDE, SIDE, 1, &found, answers[2], CLASSES) == VERTEBRA_STATUS_OK);
    }
    CHECK(answers[0][0].probability == answers[1][0].probability);
    CHECK(answers[0][0].probability == answers[2][0].probability);
    vertebra_close(again);
    vertebra_close(shared);
    free(file);
    free(image);
    printf("border: %s\n", failures == 0 ? "passed" : "FAILED");
    return failures != 0;
}
