/* A webcam for processes that preload this: FFmpeg's own V4L2 code runs, and the kernel's answers come from here.

   The device is a pseudo terminal in raw mode. Whoever holds its other end is the camera: each byte written is a frame
   (`f` whole, `e` one that the driver marks as damaged), and hanging up is pulling the plug. Formats and pictures:
   V4L2SHIM_FORMATS=MJPG,YUYV  V4L2SHIM_SIZE=64x48  V4L2SHIM_FRAME=file  V4L2SHIM_BUSY=1 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 4, LENGTH = 1 << 18, PTS_MAJOR_FIRST = 136, PTS_MAJOR_LAST = 143 };

static void *memory[BUFFERS];
static int queue[BUFFERS], queued;
static unsigned pixelformat;

static int is_ours(int fd) {
    struct stat st;
    if (fstat(fd, &st) || !S_ISCHR(st.st_mode)) return 0;
    unsigned major = st.st_rdev >> 8 & 0xfff;
    return major >= PTS_MAJOR_FIRST && major <= PTS_MAJOR_LAST;
}

static int fail(int error) {
    errno = error;
    return -1;
}

static void set_format(struct v4l2_pix_format *pix) {
    const char *formats = getenv("V4L2SHIM_FORMATS");
    char asked[5] = {0};
    memcpy(asked, &pix->pixelformat, 4);
    if (!strstr(formats, asked)) memcpy(&pix->pixelformat, formats, 4); /* as uvcvideo: another one, no error */
    sscanf(getenv("V4L2SHIM_SIZE"), "%ux%u", &pix->width, &pix->height);
    pix->field = V4L2_FIELD_NONE;
    pix->sizeimage = pix->width * pix->height * 2;
    pix->bytesperline = pix->pixelformat == V4L2_PIX_FMT_YUYV ? pix->width * 2 : 0;
    pixelformat = pix->pixelformat;
}

static int dequeue(int fd, struct v4l2_buffer *buffer) {
    char byte;
    ssize_t got = read(fd, &byte, 1);
    if (got < 0 && errno == EAGAIN) return -1;
    if (got <= 0 || !queued) return fail(got <= 0 ? ENODEV : EIO);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int index = queue[0];
    memmove(queue, queue + 1, --queued * sizeof *queue);
    buffer->index = index;
    buffer->timestamp.tv_sec = now.tv_sec;
    buffer->timestamp.tv_usec = now.tv_nsec / 1000;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | (byte == 'e' ? V4L2_BUF_FLAG_ERROR : 0);
    FILE *file = fopen(getenv("V4L2SHIM_FRAME"), "rb");
    buffer->bytesused = fread(memory[index], 1, LENGTH, file);
    fclose(file);
    return 0;
}

static int answer(int fd, unsigned long request, void *told) {
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *cap = told;
        cap->capabilities = cap->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    }
    case VIDIOC_G_INPUT:
        *(int *)told = 0;
        return 0;
    case VIDIOC_ENUMINPUT:
        return ((struct v4l2_input *)told)->index ? fail(EINVAL) : 0;
    case VIDIOC_G_FMT:
    case VIDIOC_S_FMT:
        if (getenv("V4L2SHIM_BUSY")) return fail(EBUSY);
        set_format(&((struct v4l2_format *)told)->fmt.pix);
        return 0;
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
        struct v4l2_captureparm *capture = &((struct v4l2_streamparm *)told)->parm.capture;
        capture->capability = V4L2_CAP_TIMEPERFRAME;
        capture->timeperframe.numerator = 1;
        capture->timeperframe.denominator = 30;
        return 0;
    }
    case VIDIOC_REQBUFS:
        ((struct v4l2_requestbuffers *)told)->count = BUFFERS;
        return 0;
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = told;
        buffer->length = LENGTH;
        buffer->m.offset = buffer->index * LENGTH;
        return 0;
    }
    case VIDIOC_QBUF:
        queue[queued++] = ((struct v4l2_buffer *)told)->index;
        return 0;
    case VIDIOC_DQBUF:
        return dequeue(fd, told);
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        if (request == VIDIOC_STREAMOFF) queued = 0;
        return 0;
    default:
        return fail(ENOTTY);
    }
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *told = va_arg(rest, void *);
    va_end(rest);
    if (_IOC_TYPE((unsigned)request) == 'V' && is_ours(fd)) return answer(fd, (unsigned)request, told);
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, told);
}

static void *map(const char *name, void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    void *(*real)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, name);
    if (fd < 0 || !is_ours(fd)) return real(at, length, protection, flags, fd, offset);
    void *made = real(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory[offset / LENGTH] = made;
    return made;
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    return map("mmap", at, length, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
    return map("mmap64", at, length, protection, flags, fd, offset);
}
