// QuPath: points become clicks, the answer an annotation. See docs/server.md.
//
// Put points on one object (points of the class "Ignore*" do not belong to it), select a rectangle
// around it, and run this script. Set TOKEN to that of `promptseg token add NAME`.

import com.google.gson.Gson
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import java.util.zip.Deflater
import java.util.zip.DeflaterOutputStream
import java.util.zip.InflaterInputStream
import qupath.lib.analysis.images.ContourTracing
import qupath.lib.analysis.images.SimpleImages
import qupath.lib.objects.PathObjects
import qupath.lib.regions.RegionRequest
import qupath.lib.roi.PointsROI

URL = "http://127.0.0.1:8765"
TOKEN = "paste the token here"
LONGEST = 1024 // pixels of the longer side that are sent

def selected = getSelectedObject()
if (selected == null || selected.getROI() == null || selected.getROI() instanceof PointsROI)
    throw new IllegalArgumentException("select a rectangle around the object first")
def roi = selected.getROI()
def downsample = Math.max(1.0, Math.max(roi.getBoundsWidth(), roi.getBoundsHeight()) / LONGEST)
def server = getCurrentServer()
def region = RegionRequest.createInstance(server.getPath(), downsample, roi)
def image = server.readRegion(region)
int width = image.getWidth(), height = image.getHeight()

byte[] pixels = new byte[width * height * 3]
for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
        int rgb = image.getRGB(x, y)
        int at = 3 * (y * width + x)
        pixels[at] = (byte) (rgb >> 16)
        pixels[at + 1] = (byte) (rgb >> 8)
        pixels[at + 2] = (byte) rgb
    }

def strokes = []
for (annotation in getAnnotationObjects()) {
    if (!(annotation.getROI() instanceof PointsROI)) continue
    boolean positive = annotation.getPathClass()?.getName() != "Ignore*"
    for (point in annotation.getROI().getAllPoints()) {
        double row = (point.getY() - region.getY()) / downsample
        double column = (point.getX() - region.getX()) / downsample
        if (row >= 0 && row < height && column >= 0 && column < width)
            strokes << [path: [[row, column]], positive: positive]
    }
}
if (strokes.isEmpty()) throw new IllegalArgumentException("put a point on the object first")

def gson = new Gson()
def offer = gson.toJson([shape: [height, width, 3], dtype: "|u1", window: [0, 255],
                         spacing: [1, 1], data: pack(pixels)])
def digest = MessageDigest.getInstance("MD5").digest(offer.getBytes("UTF-8"))
def key = digest.collect { String.format("%02x", it) }.join()
ask("PUT", "/api/planes/" + key, offer)
def answer = gson.fromJson(ask("POST", "/api/planes/" + key, gson.toJson([strokes: strokes])), Map)

int top = answer.rows[0] as int, left = answer.columns[0] as int
int rows = (answer.rows[1] as int) - top, columns = (answer.columns[1] as int) - left
def raw = new InflaterInputStream(new ByteArrayInputStream(answer.data.decodeBase64())).readAllBytes()
def numbers = ByteBuffer.wrap(raw).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
float[] probability = new float[width * height]
for (int r = 0; r < rows; r++)
    for (int c = 0; c < columns; c++)
        probability[(top + r) * width + left + c] = numbers.get(r * columns + c)
def found = SimpleImages.createFloatImage(probability, width, height)
def outline = ContourTracing.createTracedROI(found, 0.5, Double.POSITIVE_INFINITY, region)
if (outline == null) print "nothing was found; add a point"
else addObject(PathObjects.createAnnotationObject(outline))

String pack(byte[] content) {
    def buffer = new ByteArrayOutputStream()
    def stream = new DeflaterOutputStream(buffer, new Deflater(1))
    stream.write(content)
    stream.close()
    return buffer.toByteArray().encodeBase64().toString()
}

String ask(String method, String path, String body) {
    def request = HttpRequest.newBuilder(URI.create(URL + path))
        .header("Authorization", "Bearer " + TOKEN)
        .header("Content-Type", "application/json")
        .method(method, HttpRequest.BodyPublishers.ofString(body))
        .build()
    def reply = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString())
    if (reply.statusCode() >= 300)
        throw new IOException(method + " " + path + ": " + reply.statusCode() + " " + reply.body())
    return reply.body()
}
