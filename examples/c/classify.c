/*
 * Classifies one image. Research use only, not a medical device.
 *
 *   classify MODEL IMAGE                  a PNG, JPEG or DICOM file
 *   classify MODEL SAMPLES HEIGHT WIDTH   a file of gray samples, one byte each, row by row
 *
 *   cargo build --release -p capi
 *   gcc -std=c99 -I crates/capi examples/c/classify.c -L target/release -lvertebra -o classify
 *   LD_LIBRARY_PATH=target/release ./classify runs/mine scan.png
 */
#include <stdio.h>
#include <stdlib.h>

#include "vertebra.h"

/* The bytes of a file, to be freed; NULL if it cannot be read. */
static unsigned char *read_file(const char *path, size_t *length)
{
    unsigned char *bytes = NULL;
    FILE *file = fopen(path, "rb");
    long size = -1;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        size = ftell(file);
        rewind(file);
    }
    if (size > 0) {
        bytes = malloc((size_t)size);
    }
    if (bytes != NULL && fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        free(bytes);
        bytes = NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    *length = size > 0 ? (size_t)size : 0;
    return bytes;
}

/* Prints what the model says of each class, the called one marked. */
static void print(const VertebraModel *model, const VertebraPrediction *found, const VertebraAnswer *answers)
{
    static const char *const decisions[] = {"negative", "positive", "the most probable"};
    size_t classes = vertebra_classes(model);

    printf("%s %.6f (%s)\n", vertebra_class_name(model, found->label), found->probability, decisions[found->decision]);
    for (size_t at = 0; at < classes; at++) {
        printf("%c %.6f %s\n", answers[at].called ? '*' : ' ', answers[at].probability, vertebra_class_name(model, at));
    }
    printf("Research use only, not a medical device.\n");
}

int main(int argc, char **argv)
{
    VertebraModel *model = NULL;
    VertebraPrediction found;
    VertebraAnswer *answers = NULL;
    VertebraStatus status;
    unsigned char *bytes = NULL;
    size_t length = 0, classes;
    bool fits = true;

    if (argc != 3 && argc != 5) {
        fprintf(stderr, "usage: classify MODEL IMAGE | classify MODEL SAMPLES HEIGHT WIDTH\n");
        return 2;
    }
    status = vertebra_open(argv[1], 0, &model);
    if (status == VERTEBRA_STATUS_OK) {
        classes = vertebra_classes(model);
        answers = malloc(classes * sizeof *answers);
        bytes = read_file(argv[2], &length);
        if (answers == NULL || bytes == NULL) {
            fprintf(stderr, "error: cannot read %s\n", argv[2]);
            free(bytes);
            free(answers);
            vertebra_close(model);
            return 1;
        }
        if (argc == 3) {
            status = vertebra_predict_encoded(model, bytes, length, &found, answers, classes);
        } else {
            size_t height = strtoul(argv[3], NULL, 10), width = strtoul(argv[4], NULL, 10);

            if (width == 0 || length % width != 0 || height != length / width) {
                fprintf(stderr, "error: %s: expected %s x %s bytes, found %zu\n", argv[2], argv[3], argv[4], length);
                fits = false;
                status = VERTEBRA_STATUS_ARGUMENT;
            } else {
                status = vertebra_predict_u8(model, bytes, height, width, 1, &found, answers, classes);
            }
        }
    }
    if (status == VERTEBRA_STATUS_OK) {
        print(model, &found, answers);
    } else if (fits) {
        fprintf(stderr, "error: %s\n", vertebra_last_error());
    }
    free(bytes);
    free(answers);
    vertebra_close(model);
    return status == VERTEBRA_STATUS_OK ? 0 : 1;
}
