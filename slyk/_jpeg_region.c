/* Decodes the part of a JPEG that is needed, into its place in a buffer of the whole picture.

   libjpeg-turbo leaves out the inverse transform and the colours of what lies beside the part, and stops below it. The
   pixels are those of a whole decoding; what cannot be had in parts, or is damaged, is left to whole decoders. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <setjmp.h>
#include <stdio.h>
#include <jpeglib.h>

#define MARGIN 32 /* px, two blocks of colour: the filters that enlarge it look at their neighbours */

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf jump;
} Errors;

static void give_up(j_common_ptr info) { longjmp(((Errors *)info->err)->jump, 1); }

/* Damage that whole decoders would mend with grey counts as an error here. */
static void told(j_common_ptr info, int level) {
    if (level < 0) give_up(info);
}

static void silent(j_common_ptr info) { (void)info; }

/* 1 where columns [left, right) of rows [top, bottom) are in their place, 0 where the JPEG is not for this. */
static int decode(const unsigned char *data, size_t size, unsigned char *out, int width, int height, int left, int top,
                  int right, int bottom) {
    struct jpeg_decompress_struct info;
    Errors errors;
    info.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = give_up;
    errors.base.emit_message = told;
    errors.base.output_message = silent;
    if (setjmp(errors.jump)) {
        jpeg_destroy_decompress(&info);
        return 0;
    }
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, data, size);
    jpeg_read_header(&info, TRUE);
    const jpeg_component_info *part = info.comp_info;
    if ((int)info.image_width != width || (int)info.image_height != height || info.num_components != 3 ||
        info.jpeg_color_space != JCS_YCbCr || info.data_precision != 8 || info.progressive_mode || info.arith_code ||
        jpeg_has_multiple_scans(&info) || part[0].h_samp_factor > 2 || part[0].v_samp_factor > part[0].h_samp_factor ||
        part[1].h_samp_factor * part[1].v_samp_factor * part[2].h_samp_factor * part[2].v_samp_factor != 1) {
        jpeg_destroy_decompress(&info);
        return 0;
    }
    info.out_color_space = JCS_EXT_BGR;
    info.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&info);
    JDIMENSION start = (JDIMENSION)left, columns = (JDIMENSION)(right - left);
    if (left > 0 || right < width) jpeg_crop_scanline(&info, &start, &columns);
    if (top > 0) jpeg_skip_scanlines(&info, (JDIMENSION)top);
    while ((int)info.output_scanline < bottom) {
        JSAMPROW row = out + ((size_t)info.output_scanline * width + start) * 3;
        jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_destroy_decompress(&info);
    return 1;
}

PyDoc_STRVAR(decode_region_doc,
             "decode_region(data, out, width, height, left, top, right, bottom) -> bool\n\n"
             "Fills columns [left, right) of rows [top, bottom) of `out`, (height, width, 3) BGR uint8, and some around\n"
             "them, with the pixels of the JPEG in `data`. False where this JPEG has to be decoded whole; `out` may be\n"
             "touched then.");

static PyObject *decode_region(PyObject *self, PyObject *args) {
    Py_buffer data, out;
    int width, height, left, top, right, bottom, done = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*w*iiiiii", &data, &out, &width, &height, &left, &top, &right, &bottom)) return NULL;
    left = left > MARGIN ? left - MARGIN : 0;
    top = top > MARGIN ? top - MARGIN : 0;
    right = right < width - MARGIN ? right + MARGIN : width;
    bottom = bottom < height - MARGIN ? bottom + MARGIN : height;
    if (width > 0 && height > 0 && out.len == (Py_ssize_t)width * height * 3 && left < right && top < bottom) {
        Py_BEGIN_ALLOW_THREADS
        done = decode(data.buf, (size_t)data.len, out.buf, width, height, left, top, right, bottom);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&data);
    PyBuffer_Release(&out);
    return PyBool_FromLong(done);
}

static PyMethodDef methods[] = {
    {"decode_region", decode_region, METH_VARARGS, decode_region_doc},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "_jpeg_region", .m_methods = methods};
PyMODINIT_FUNC PyInit__jpeg_region(void) { return PyModule_Create(&module); }
